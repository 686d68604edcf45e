import { adamCoefficients, binaryOperations, initialBetaPowers, unaryOperations } from '@cotrain/exact';
import type { Evm, EvmContract } from './evm.ts';
import { bitsOfAll, drawValues, littleEndian } from './exact-values.ts';
import { bitsOf, floatOperations, packVectors } from './float-operations.ts';
import { randomWords } from './random-words.ts';
import { FileProver } from './swarm-proof.ts';

/** What `measureGas` needs on the chain. */
export const gasContracts = {
  built: ['ExactOps'],
  harnesses: ['test/verification/{Batcher,Float32Harness,SwarmReferenceHarness}.sol'],
} as const;

/** Operands for the mean and the worst of an operation of Float32: always the same ones. */
const floatVectors = 20_000;

/**
 * Gas of what fraud proofs are made of, by library and case.
 *
 * Float32 and SwarmReference: of the internal function, call included. ExactOps: of an external call from another
 * contract, less what a call itself costs. Names with `transaction`: all of a transaction, 21,000 and calldata included.
 */
export async function measureGas(evm: Evm): Promise<Record<string, Record<string, number>>> {
  return {
    Float32: await floatGas(contract(evm, 'Float32Harness')),
    SwarmReference: await swarmGas(contract(evm, 'SwarmReferenceHarness')),
    ExactOps: await opsGas(contract(evm, 'ExactOps'), contract(evm, 'Batcher')),
  };
}

function contract(evm: Evm, name: string): EvmContract {
  const found = evm.contracts[name];
  if (found === undefined) throw new RangeError(`There is no ${name} on the chain.`);
  return found;
}

async function floatGas(harness: EvmContract): Promise<Record<string, number>> {
  const gas: Record<string, number> = {};
  for (const name of ['add', 'mul', 'div', 'sqrt']) {
    const operation = floatOperations.find((each) => each.name === name);
    if (operation === undefined) throw new RangeError(name);
    const measure = `measure${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    const [mean, worst] = await harness.call(measure, packVectors(operation, floatVectors, 1));
    gas[`${name} mean`] = Number(mean);
    gas[`${name} worst`] = Number(worst);
  }
  return gas;
}

async function swarmGas(harness: EvmContract): Promise<Record<string, number>> {
  const random = randomWords(1);
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => 1 + (random() % 255));
  const gas: Record<string, number> = {};
  for (const [name, length] of [
    ['in one chunk', 4096],
    ['in a file of 129 chunks', 129 * 4096],
  ] as const) {
    const file = new FileProver(bytes(length));
    for (const [size, piece] of [
      [32, 'segment'],
      [1024, 'subtree of 1024 bytes'],
      [4096, 'chunk'],
    ] as const) {
      const proven = file.prove(0, size);
      const [used] = await harness.call('prove', file.reference, length, 0, proven.piece, proven.proof);
      gas[`${piece} ${name}`] = Number(used);
    }
  }
  const payload = bytes(4096);
  const { reference } = new FileProver(payload);
  gas['open'] = Number((await harness.call('open', reference, 4096, payload))[0]);
  gas['open transaction'] = await harness.transact('open', reference, 4096, payload);
  return gas;
}

async function opsGas(ops: EvmContract, batcher: EvmContract): Promise<Record<string, number>> {
  const random = randomWords(2);
  const floats = (count: number): Uint8Array => littleEndian(drawValues(random, count, -8, 2));
  const int8 = (): Uint8Array => littleEndian(Int8Array.from({ length: 1024 }, () => random() & 0xff));
  const [x, y] = bitsOfAll([0.7853982, -1.6180339]);
  const { coefficients } = adamCoefficients(
    { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0.01 },
    initialBetaPowers,
  );
  const cases: [string, string, unknown[]][] = [
    ...(['exp', 'log', 'log1p', 'sigmoid', 'tanh', 'erf', 'gelu', 'softplus', 'rsqrt'] as const).map(
      (name): [string, string, unknown[]] => [name, 'unary', [unaryOperations.indexOf(name), x, 0, 0]],
    ),
    ['add', 'binary', [binaryOperations.indexOf('add'), x, y]],
    ['pow', 'binary', [binaryOperations.indexOf('pow'), x, y]],
    ['exponent of 1024 floats', 'exponent', [floats(1024)]],
    ['quantise', 'quantise', [x, 3]],
    ['product of 1024 pairs', 'blockProduct', [int8(), int8()]],
    ['contractBlock of 1024 pairs', 'contractBlock', [int8(), int8(), 1, -2]],
    ['rescale', 'rescale', [123_456, 1, -2]],
    ['sum of 64', 'sum', [floats(64)]],
    ['largest of 64', 'largest', [floats(64)]],
    ['averageGradient of 9', 'averageGradient', [floats(9), littleEndian(new Int32Array(9).fill(4))]],
    ['philox', 'philox', [1, 2]],
    ['rowAt of 60000', 'rowAt', [42, 31, 60_000]],
    ['dropout', 'dropout', [42, 1, 2, 3, 77, 19_661, bitsOf(Math.fround(1 / 0.7))]],
    [
      'adam',
      'adam',
      [
        [x, y, x],
        y,
        bitsOfAll(
          (['towardsGradient', 'towardsSquare', 'step', 'shift', 'decay'] as const).map((k) => coefficients[k]),
        ),
      ],
    ],
  ];
  const gas: Record<string, number> = {};
  for (const [name, call, args] of cases) {
    const data = ops.interface.encodeFunctionData(call, args);
    gas[name] = Number((await batcher.call('gasOf', ops.address, data))[0]);
  }
  gas['contractBlock transaction'] = await ops.transact('contractBlock', int8(), int8(), 1, -2);
  return gas;
}
