import type { Evm } from './evm.ts';
import { floatOperations, packVectors } from './float-operations.ts';

const perCall = 50_000;

/**
 * Runs an operation of Float32Harness over drawn vectors.
 * @returns the mismatches, at most one described for each call of 50,000
 */
export async function checkFloats(evm: Evm, number: number, count: number, seed: number): Promise<string[]> {
  const operation = floatOperations[number];
  const harness = evm.contracts['Float32Harness'];
  if (operation === undefined || harness === undefined)
    throw new RangeError(`There is no operation ${String(number)}.`);
  const found: string[] = [];
  for (let done = 0, part = 0; done < count; done += perCall, part++) {
    const vectors = packVectors(operation, Math.min(perCall, count - done), seed * 1_000 + part);
    const [mismatches, first, got] = (await harness.call('check', number, vectors)) as [bigint, bigint, bigint];
    if (mismatches === 0n) continue;
    const view = new DataView(vectors.buffer, Number(first) * 12, 12);
    const [a, b, expected] = [0, 4, 8].map((at) => view.getUint32(at).toString(16).padStart(8, '0'));
    found.push(
      `${operation.name}(${a ?? ''}, ${b ?? ''}) = ${got.toString(16).padStart(8, '0')}, not ${expected ?? ''} (${String(mismatches)} of ${String(vectors.length / 12)})`,
    );
  }
  return found;
}
