import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  adamCoefficients,
  binaryOperations,
  comparisons,
  createReferenceKernels,
  initialBetaPowers,
  unaryOperations,
} from '@cotrain/exact';
import { type Evm, type EvmContract, reasonOf, startEvm } from './evm.ts';
import { bitsOfAll, drawValues, hardValues, storedVectors, wordsOf } from './exact-values.ts';
import { bitsOf, floatOf } from './float-operations.ts';
import { randomWords } from './random-words.ts';

// ExactOps as it is deployed, element by element, against the specification in TypeScript and its stored vectors.

const reference = createReferenceKernels();
const seed = Number(process.env['FOUNDRY_FUZZ_SEED'] ?? 1);
/** `npm run bench:dispute` takes more. */
const drawn = Number(process.env['COTRAIN_EXACT_ELEMENTS'] ?? 500);
let evm: Evm;
let ops: EvmContract;
before(async () => {
  evm = await startEvm(['ExactOps'], ['test/verification/Batcher.sol']);
  ops = evm.contracts['ExactOps']!;
});
after(() => evm.close());

async function bitsFrom(name: string, args: unknown[][]): Promise<number[]> {
  return (await ops.callEach(name, args)).map(([bits]) => Number(bits));
}

/** Both lists as hexadecimal with their operands, so that a difference can be read. */
function assertBits(got: number[], expected: number[], operands: (index: number) => (number | undefined)[]): void {
  const hex = (bits: number | undefined): string => (bits ?? NaN).toString(16).padStart(8, '0');
  const show = (bits: number, index: number): string => `${operands(index).map(hex).join(', ')} -> ${hex(bits)}`;
  const wrong = expected.flatMap((bits, index) => (bits === got[index] ? [] : [index]));
  assert.deepEqual(
    wrong.slice(0, 5).map((index) => show(got[index] ?? NaN, index)),
    wrong.slice(0, 5).map((index) => show(expected[index] ?? NaN, index)),
    `${String(wrong.length)} of ${String(expected.length)} differ`,
  );
  assert.equal(got.length, expected.length);
}

const parametersOf = (operation: string): [number, number] =>
  operation === 'clip' ? [-0.75, 6] : operation === 'leakyRelu' ? [Math.fround(0.2), 0] : [0.5, 0];

for (const [number, operation] of unaryOperations.entries()) {
  void test(`${operation} has the reference's bits`, async () => {
    const random = randomWords(seed + number);
    const x = Float32Array.of(
      ...[0, ...hardValues],
      ...drawValues(random, drawn),
      ...drawValues(random, 2 * drawn, -8, 7),
    );
    const parameters = parametersOf(operation);
    const expected = new Float32Array(x.length);
    reference.unary(operation, expected, x, ...parameters);
    const got = await bitsFrom(
      'unary',
      bitsOfAll(x).map((bits) => [number, bits, ...bitsOfAll(parameters)]),
    );
    assertBits(got, bitsOfAll(expected), (index) => [bitsOf(x[index] ?? NaN)]);
  });
}

function pairs(random: () => number): [Float32Array, Float32Array] {
  const chosen = Float32Array.of(0, ...hardValues.filter((_, i) => i % 11 === 2 || i % 11 === 5));
  const all = Array.from(chosen, (a) => Array.from(chosen, (b): [number, number] => [a, b])).flat();
  const [left, right] = [drawValues(random, drawn, -40, 40), drawValues(random, drawn, -40, 40)];
  const [a, b] = [drawValues(random, drawn, -3, 6), drawValues(random, drawn, -3, 6).map(Math.round)];
  return [
    Float32Array.of(...all.map((pair) => pair[0]), ...left, ...a),
    Float32Array.of(...all.map((pair) => pair[1]), ...right, ...b.map((each) => (each === 0 ? 0 : each))),
  ];
}

for (const [kind, operations] of [
  ['binary', binaryOperations],
  ['compare', comparisons],
] as const) {
  for (const [number, operation] of operations.entries()) {
    void test(`${operation} has the reference's bits`, async () => {
      const [a, b] = pairs(randomWords(seed + number));
      const layout = { shape: [1, 1, 1, a.length], aStrides: [0, 0, 0, 1], bStrides: [0, 0, 0, 1] } as const;
      const floats = new Float32Array(a.length);
      const bools = new Uint8Array(a.length);
      if (kind === 'binary') reference.binary(operation as (typeof binaryOperations)[number], floats, a, b, layout);
      else reference.compare(operation as (typeof comparisons)[number], bools, a, b, layout);
      const [aBits, bBits] = [bitsOfAll(a), bitsOfAll(b)];
      const got = await bitsFrom(
        kind,
        aBits.map((bits, index) => [number, bits, bBits[index]]),
      );
      assertBits(got, kind === 'binary' ? bitsOfAll(floats) : Array.from(bools), (i) => [aBits[i], bBits[i]]);
    });
  }
}

void test('the stored vectors of elementwise operations hold', async () => {
  const vectors = storedVectors('elementwise');
  let elements = 0;
  for (const { name, kernel, arguments: args, expected } of vectors) {
    const want = wordsOf(expected[0]?.bytes ?? '');
    const inputs = args.flatMap(({ bytes, in: type }) =>
      bytes === undefined || type === 'uint8' ? [] : [wordsOf(bytes)],
    );
    const operation = args[0] as { value?: string };
    let got: number[];
    if (kernel === 'unary') {
      const number = unaryOperations.indexOf(operation.value as (typeof unaryOperations)[number]);
      const parameters = args.slice(3).map((each) => bitsOf((each as { value: number }).value));
      got = await bitsFrom(
        'unary',
        (inputs[0] ?? []).map((x) => [number, x, ...parameters]),
      );
    } else if (kernel === 'normalise') {
      got = await bitsFrom(
        'normalise',
        (inputs[0] ?? []).map((x) => [x]),
      );
    } else if (kernel === 'binary' && inputs[0]?.length === want.length && inputs[1]?.length === want.length) {
      const number = binaryOperations.indexOf(operation.value as (typeof binaryOperations)[number]);
      got = await bitsFrom(
        'binary',
        inputs[0].map((a, i) => [number, a, inputs[1]?.[i]]),
      );
    } else if (kernel === 'select') {
      const conditions = Buffer.from(args[1]?.bytes ?? '', 'base64');
      got = await bitsFrom(
        'select',
        (inputs[0] ?? []).map((a, i) => [conditions[i], a, inputs[1]?.[i]]),
      );
    } else continue;
    assertBits(got, want, (i) => inputs.map((input) => input[i]));
    elements += want.length;
    assert.ok(name !== '');
  }
  assert.ok(elements > 1_500, `only ${String(elements)} elements`);
});

void test('optimizer steps have the bits of the stored vectors', async () => {
  const vectors = storedVectors('others').filter(({ kernel }) => kernel.endsWith('Step'));
  assert.deepEqual(vectors.map(({ kernel }) => kernel).sort(), ['adamStep', 'momentumStep', 'sgdStep']);
  for (const { kernel, arguments: args, expected } of vectors) {
    const inputs = args.flatMap(({ bytes }) => (bytes === undefined ? [] : [wordsOf(bytes)]));
    const values = args.flatMap((each) => ('value' in each ? [each.value] : []));
    const settings =
      typeof values[0] === 'object'
        ? [
            ['towardsGradient', 'towardsSquare', 'step', 'shift', 'decay'].map((key) =>
              bitsOf((values[0] as Record<string, number>)[key] ?? NaN),
            ),
          ]
        : bitsOfAll(values as number[]);
    const results = await ops.callEach(
      kernel.replace('Step', ''),
      (inputs[0] ?? []).map((_, i) => {
        const operands = inputs.map((input) => input[i]);
        return kernel === 'adamStep' ? [operands.slice(0, 3), operands[3], ...settings] : [...operands, ...settings];
      }),
    );
    for (const [part, { bytes }] of expected.entries())
      assertBits(
        results.map((result) => Number(result.flat()[part])),
        wordsOf(bytes ?? ''),
        (i) => inputs.map((each) => each[i]),
      );
  }
});

void test('the coefficients of Adam and its powers move as in the trainer, step after step', async () => {
  for (const weightDecay of [0, 0.01]) {
    const options = { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay };
    let powers = initialBetaPowers;
    const bits = ({ learningRate, beta1, beta2, epsilon }: typeof options): number[] =>
      bitsOfAll([learningRate, beta1, beta2, epsilon, weightDecay]);
    for (let step = 0; step < 40; step++) {
      const next = adamCoefficients(options, powers);
      const { towardsGradient, towardsSquare, step: size, shift, decay } = next.coefficients;
      const before = bitsOfAll([powers.beta1Power, powers.beta2Power]);
      const got = (await ops.call('adamCoefficients', bits(options), before)) as bigint[][];
      assert.deepEqual(
        got.map((part) => part.map(Number)),
        [
          bitsOfAll([next.powers.beta1Power, next.powers.beta2Power]),
          bitsOfAll([towardsGradient, towardsSquare, size, shift, decay]),
        ],
      );
      powers = next.powers;
    }
  }
});

/** Where int32 overflow, and signs differ. */
const int32s = [0, 1, -1, 2, -2, 3, -7, 7, 46_341, -46_341, 65_536, 2 ** 31 - 1, -(2 ** 31), 123_456_789, -987_654_321];
const int32Pairs = int32s.flatMap((a) => int32s.map((b) => [a, b] as const));
const floorDiv = (a: number, b: number): number => (b === 0 ? 0 : Math.floor(a / b));

void test('int32 wraps, divides downwards and by 0 to 0', async () => {
  const functions: ((a: number, b: number) => number)[] = [
    ...[(a: number, b: number) => a + b, (a: number, b: number) => a - b, Math.imul, floorDiv],
    (a, b) => a - Math.imul(floorDiv(a, b), b),
    ...[Math.max, Math.min, (a: number, b: number) => Math.imul(a - b, a - b)],
  ];
  for (const [number, apply] of functions.entries()) {
    const got = await ops.callEach(
      'integerBinary',
      int32Pairs.map((pair) => [number, ...pair]),
    );
    assert.deepEqual(
      got.flat().map(Number),
      int32Pairs.map((pair) => apply(...pair) | 0),
      `operation ${String(number)}`,
    );
  }
});

void test('functions of one int32, and those that make no sense for it', async () => {
  const functions: Partial<Record<(typeof unaryOperations)[number], (x: number) => number>> = {
    ...{ neg: (x) => -x, abs: Math.abs, sign: Math.sign, floor: (x) => x, ceil: (x) => x, round: (x) => x },
    ...{ square: (x) => Math.imul(x, x), relu: (x) => Math.max(x, 0), step: (x) => (x > 0 ? 1 : -5) },
    clip: (x) => Math.min(Math.max(x, -5), 6),
  };
  for (const [number, operation] of unaryOperations.entries()) {
    const apply = functions[operation];
    if (apply === undefined) {
      assert.equal(await reasonOf(ops.call('integerUnary', number, 1, 0, 0)), 'NotOfIntegers', operation);
      continue;
    }
    const got = await ops.callEach(
      'integerUnary',
      int32s.map((x) => [number, x, -5, 6]),
    );
    assert.deepEqual(
      got.flat().map(Number),
      int32s.map((x) => apply(x) | 0),
      operation,
    );
  }
});

void test('int32 are compared with their signs', async () => {
  const functions: Record<(typeof comparisons)[number], (a: number, b: number) => boolean> = {
    ...{ equal: (a, b) => a === b, notEqual: (a, b) => a !== b, less: (a, b) => a < b },
    ...{ lessEqual: (a, b) => a <= b, greater: (a, b) => a > b, greaterEqual: (a, b) => a >= b },
  };
  for (const [number, operation] of comparisons.entries()) {
    const got = await ops.callEach(
      'integerCompare',
      int32Pairs.map((pair) => [number, ...pair]),
    );
    assert.deepEqual(
      got.flat(),
      int32Pairs.map((pair) => functions[operation](...pair)),
      operation,
    );
  }
});

void test('bits that are no value are refused wherever a float goes in', async () => {
  const one = bitsOf(1);
  for (const foreign of [0x80000000, 1, 0x007fffff, 0x0d7fffff, 0x71800001, 0xf1800001, 0x7f800000, 0x7fc00000]) {
    const list = Buffer.alloc(8);
    list.writeUInt32LE(foreign, 4);
    const five = [one, one, one, one, one];
    const attempts: [string, unknown[]][] = [
      ['unary', [0, foreign, 0, 0]],
      ['unary', [20, one, foreign, 0]],
      ['unary', [20, one, 0, foreign]],
      ['binary', [0, foreign, one]],
      ['binary', [0, one, foreign]],
      ['compare', [0, foreign, one]],
      ['toInt32', [foreign]],
      ['quantise', [foreign, 0]],
      ...['sum', 'product', 'largest', 'smallest'].map((name): [string, unknown[]] => [name, [list]]),
      ['largestInside', [list, 3]],
      ['average', [list, 2]],
      ['largestGradient', [list, Buffer.alloc(8)]],
      ['averageGradient', [list, Buffer.alloc(8)]],
      ['dropout', [1, 1, 1, 1, 1, 1, foreign]],
      ...[0, 1, 2].map((i): [string, unknown[]] => ['sgd', five.slice(0, 3).with(i, foreign)]),
      ...five.map((_, i): [string, unknown[]] => ['momentum', five.with(i, foreign)]),
      ...five.map((_, i): [string, unknown[]] => ['adam', [[one, one, one], one, five.with(i, foreign)]]),
      ...[0, 1, 2].map((i): [string, unknown[]] => ['adam', [five.slice(0, 3).with(i, foreign), one, five]]),
      ['adam', [[one, one, one], foreign, five]],
      ...five.map((_, i): [string, unknown[]] => ['adamCoefficients', [five.with(i, foreign), [one, one]]]),
      ['adamCoefficients', [five, [foreign, one]]],
      ['adamCoefficients', [five, [one, foreign]]],
    ];
    for (const [name, args] of attempts)
      assert.equal(await reasonOf(ops.call(name, ...args)), 'NotAValue', `${name}(${floatOf(foreign).toString()})`);
  }
});

void test('operations that do not exist revert', async () => {
  await assert.rejects(ops.call('unary', unaryOperations.length, 0, 0, 0));
  await assert.rejects(ops.call('binary', binaryOperations.length, 0, 0));
  await assert.rejects(ops.call('compare', comparisons.length, 0, 0));
});
