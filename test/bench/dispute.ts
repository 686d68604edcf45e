import { checkFloats, type Evm, floatOperations, gasContracts, measureGas, startEvm } from '@cotrain/contracts/testing';
import type { BenchRow } from './bench-row.ts';

/** Of each operation, against this machine's float32. */
const floatVectors = 1_000_000;
const pairs = 1_024;

/** What fraud proofs cost beside published figures, and whether the contracts' float32 is this machine's. */
export async function run(): Promise<BenchRow[]> {
  const evm = await startEvm(gasContracts.built, gasContracts.harnesses);
  try {
    return [...gasRows(await measureGas(evm)), ...(await mismatchRows(evm))];
  } finally {
    await evm.close();
  }
}

interface Published {
  /** A bar that is to be met, not undercut. */
  bar: number;
  peer: string;
  peerValue: number;
}

/** The bars of fraud proofs, and who published what stands beside them. */
const published: Record<string, Published> = {
  'Float32.add mean': { bar: 840, peer: 'float128 library', peerValue: 841 },
  'Float32.mul mean': { bar: 301, peer: 'float128 library', peerValue: 302 },
  'SwarmReference.segment in one chunk': { bar: 1_400, peer: 'stock BMT verifier', peerValue: 3_566 },
  'SwarmReference.open transaction': { bar: 200_000, peer: "one dissection of Zipline's game", peerValue: 2_981_624 },
};

function gasRows(gas: Record<string, Record<string, number>>): BenchRow[] {
  const row = (metric: string, value: number, beside?: Published): BenchRow => ({
    ...{ bench: 'dispute', metric, value, unit: 'gas', better: 'lower' },
    ...(beside ?? { bar: null, peer: null, peerValue: null }),
  });
  const rows = Object.entries(gas).flatMap(([library, figures]) =>
    Object.entries(figures).map(([name, value]) => {
      const metric = `${library}.${name}`;
      return row(metric, value, published[metric]);
    }),
  );
  const product = gas['ExactOps']?.['product of 1024 pairs'];
  if (product === undefined) throw new Error('The product of int8 blocks was not measured.');
  const perPair: Published = { bar: 30, peer: 'one multiplication for each pair', peerValue: 105 };
  return [...rows, row('ExactOps int8 product-and-add', product / pairs, perPair)];
}

async function mismatchRows(evm: Evm): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [number, { name }] of floatOperations.entries()) {
    const { mismatches, examples } = await checkFloats(evm, number, floatVectors, 2_026 + number);
    for (const example of examples) console.error(example);
    rows.push({
      ...{
        bench: 'dispute',
        metric: `Float32.${name}, wrong of ${floatVectors.toLocaleString('en')}`,
        value: mismatches,
      },
      ...{ unit: 'results', better: 'lower', bar: 0, peer: null, peerValue: null },
    });
  }
  return rows;
}
