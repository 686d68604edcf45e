import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createReferenceKernels, type VectorLayout } from '@cotrain/exact';
import { philox4x32, rowIndices } from '@cotrain/protocol';
import fc from 'fast-check';
import { type Evm, type EvmContract, reasonOf, startEvm } from './evm.ts';
import { bitsOfAll, drawValues, littleEndian, storedVectors, wordsOf } from './exact-values.ts';
import { bitsOf, floatOf } from './float-operations.ts';
import { randomWords } from './random-words.ts';

// ExactOps as it is deployed: blocks of contractions and reductions, and random numbers.

const reference = createReferenceKernels();
const random = randomWords(Number(process.env['FOUNDRY_FUZZ_SEED'] ?? 1));
let evm: Evm;
let ops: EvmContract;
before(async () => {
  evm = await startEvm(['ExactOps'], ['test/verification/Batcher.sol']);
  ops = evm.contracts['ExactOps']!;
});
after(() => evm.close());

const one = async (name: string, ...args: unknown[]): Promise<number> => Number((await ops.call(name, ...args))[0]);
const layoutOf = (length: number): VectorLayout => ({ count: 1, length, vectorStride: length, elementStride: 1 });

function exponentOf(x: Float32Array): number {
  const exponents = new Int32Array(1);
  reference.blockExponents(exponents, x, layoutOf(x.length));
  return exponents[0]!;
}

const blockLengths = [1, 2, 7, 8, 9, 15, 16, 31, 32, 33, 100, 1000, 1023, 1024];

void test('the exponent of a block is that of its largest magnitude, wherever it stands', async () => {
  for (const length of blockLengths) {
    const zeros = new Float32Array(length);
    assert.equal(await one('exponent', littleEndian(zeros)), -99);
    for (const [low, high] of [
      [-100, 99],
      [-8, 2],
      [-100, -98],
      [99, 99],
    ] as const) {
      const x = drawValues(random, length, low, high);
      assert.equal(
        await one('exponent', littleEndian(x)),
        exponentOf(x),
        `${String(length)} in ${String(low)}..${String(high)}`,
      );
    }
    for (const place of new Set([0, length >> 1, length - 1]))
      for (const value of [2 ** 100, -(2 ** 100), 2 ** -100, -1, 1.9999999, 0.5])
        assert.equal(
          await one('exponent', littleEndian(zeros.with(place, value))),
          exponentOf(zeros.with(place, value)),
          `${String(value)} at ${String(place)} of ${String(length)}`,
        );
  }
});

void test('blocks that are no blocks, and exponents that no block has, are refused', async () => {
  for (const bytes of [0, 3, 4098, 4100])
    assert.equal(await reasonOf(ops.call('exponent', Buffer.alloc(bytes))), 'WrongBlockLength');
  for (const foreign of [0x7f800000, 0x00800000, 0x72000000]) {
    const block = Buffer.alloc(4096);
    block.writeUInt32LE(foreign, 4092);
    assert.equal(await reasonOf(ops.call('exponent', block)), 'ExponentOutOfRange');
  }
  for (const exponent of [-100, 102, 2n ** 255n - 1n, -(2n ** 255n)]) {
    assert.equal(await reasonOf(ops.call('quantise', bitsOf(1), exponent)), 'ExponentOutOfRange');
    assert.equal(await reasonOf(ops.call('rescale', 1, exponent, 0)), 'ExponentOutOfRange');
    assert.equal(await reasonOf(ops.call('rescale', 1, 0, exponent)), 'ExponentOutOfRange');
  }
  for (const product of [2 ** 24 + 1, -(2 ** 24) - 1, 2n ** 255n - 1n, -(2n ** 255n)])
    assert.equal(await reasonOf(ops.call('rescale', product, 0, 0)), 'ProductOutOfRange');
  for (const [left, right] of [
    [0, 0],
    [32, 64],
    [1024, 1023],
    [1025, 1025],
  ] as const)
    assert.equal(await reasonOf(ops.call('blockProduct', Buffer.alloc(left), Buffer.alloc(right))), 'WrongBlockLength');
});

void test('a quantised value has the reference rounding and clamping, at every distance from its exponent', async () => {
  const x = Float32Array.of(
    ...[0, 1, -1, 0.5, 127, -127, 127.5, 128, 0.99609375, 0.99607843, 2 ** -100, 2 ** 100, -(2 ** 100)],
    ...Array.from({ length: 256 }, (_, i) => (i - 128 + 0.5) / 128), // ties
    ...drawValues(random, 300, -6, 1),
    ...drawValues(random, 200),
  );
  for (const exponent of [-99, -60, -1, 0, 1, 2, 7, 100, 101]) {
    const expected = new Int8Array(x.length);
    reference.quantise(
      expected,
      x,
      new Int32Array(x.length).fill(exponent),
      { ...layoutOf(1), count: x.length },
      'left',
    );
    const got = (
      await ops.callEach(
        'quantise',
        bitsOfAll(x).map((bits) => [bits, exponent]),
      )
    ).map(([q]) => Number(q));
    assert.deepEqual(got, Array.from(expected), `exponent ${String(exponent)}`);
  }
});

void test('the product of int8 blocks is exact for any bytes and any length', async () => {
  const extremes = [-128, -127, -1, 0, 1, 127];
  const blocks = fc
    .integer({ min: 1, max: 1024 })
    .chain((length) =>
      fc.tuple(
        fc.int8Array({ minLength: length, maxLength: length }),
        fc.int8Array({ minLength: length, maxLength: length }),
        fc.constantFrom(null, ...extremes),
        fc.constantFrom(null, ...extremes),
      ),
    );
  await fc.assert(
    fc.asyncProperty(blocks, async ([left, right, fillLeft, fillRight]) => {
      // Constant sides reach the bound in every lane.
      const a = fillLeft === null ? left : left.fill(fillLeft);
      const b = fillRight === null ? right : right.fill(fillRight);
      const expected = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
      assert.equal(await one('blockProduct', littleEndian(a), littleEndian(b)), expected + 0);
    }),
    { numRuns: 300 },
  );
  for (const a of extremes)
    for (const b of extremes) {
      const sides = [a, b].map((value) => littleEndian(new Int8Array(1024).fill(value)));
      assert.equal(await one('blockProduct', ...sides), 1024 * a * b + 0);
    }
});

void test('each byte of a block meets its partner and no other', async () => {
  for (const length of [1, 5, 32, 45, 1024])
    for (const i of new Set(
      [0, 1, 3, 4, 7, 8, 30, 31, 32, length - 2, length - 1].filter((at) => at >= 0 && at < length),
    ))
      for (const j of [i, (i + 1) % length, (i + 4) % length, length - 1 - i]) {
        const a = new Int8Array(length);
        const b = new Int8Array(length);
        a[i] = -113;
        b[j] = 97;
        assert.equal(await one('blockProduct', littleEndian(a), littleEndian(b)), i === j ? -113 * 97 : 0);
      }
});

void test('a rescaled product has the reference bits over the whole range of exponents', async () => {
  const products = [0, 1, -1, 2, 127, -16_129, 16_516_096, -16_516_096, 8_388_607, 8_388_609, 2 ** 24, -(2 ** 24)];
  const exponents = [-99, -98, -50, -40, -20, -8, 0, 7, 8, 40, 44, 47, 100, 101];
  const args = products.flatMap((p) => exponents.flatMap((a) => exponents.map((b) => [p, a, b] as const)));
  const expected = args.map(([p, a, b]) => {
    const out = new Float32Array(1);
    reference.rescale(out, Int32Array.of(p), Int32Array.of(a), Int32Array.of(b), 1, 1, 1);
    return bitsOf(out[0]!);
  });
  assert.deepEqual(
    (await ops.callEach('rescale', args)).map(([bits]) => Number(bits)),
    expected,
  );
});

void test('an element of a contraction follows from its floats, block by block', async () => {
  for (const length of [1, 33, 1000, 1024]) {
    const [a, b] = [drawValues(random, length, -8, 2), drawValues(random, length, -8, 2)];
    const expected = new Float32Array(1);
    reference.matMul(expected, a, b, {
      ...{ batch: 1, m: 1, k: length, n: 1, transposeA: false, transposeB: false, aBatchStride: 0, bBatchStride: 0 },
    });
    const exponents = [await one('exponent', littleEndian(a)), await one('exponent', littleEndian(b))];
    const sides = await Promise.all(
      [a, b].map(async (side, i) => {
        const q = await ops.callEach(
          'quantise',
          bitsOfAll(side).map((bits) => [bits, exponents[i]]),
        );
        return littleEndian(Int8Array.from(q, ([value]) => Number(value)));
      }),
    );
    assert.equal(await one('contractBlock', ...sides, ...exponents), bitsOf(expected[0]!));
  }
});

void test('sums, products, largest and smallest of every length have the reference bits', async () => {
  for (let length = 0; length <= 64; length++) {
    const lists = [
      drawValues(random, length, -8, 2),
      drawValues(random, length),
      new Float32Array(length).fill(2 ** 100),
      drawValues(random, length, 0, 0).map((x, i) => (i % 2 === 0 ? Math.sign(x) : -Math.sign(x))),
      new Float32Array(length),
    ];
    for (const list of lists) {
      const extent = { outer: 1, length, inner: 1 };
      const names = { sum: 'sum', product: 'prod', largest: 'max', smallest: 'min' } as const;
      for (const [name, operation] of Object.entries(names)) {
        const expected = new Float32Array(1);
        reference.reduce(operation, expected, list, extent);
        const results = (await ops.call(name, littleEndian(list))).map(Number);
        assert.equal(results[0], bitsOf(expected[0]!), `${name} of ${String(length)}`);
        if (name === 'sum' || name === 'product') continue;
        const position = new Int32Array(1);
        reference.argReduce(name === 'largest' ? 'argMax' : 'argMin', position, list, extent);
        assert.equal(results[1], position[0], `position of the ${name} of ${String(length)}`);
      }
    }
  }
});

void test('the stored vectors of short sums hold, the mean as a division of the sum', async () => {
  let checked = 0;
  for (const vector of storedVectors('reductions').filter(({ kernel }) => kernel === 'reduce')) {
    const [operation, , input, shape] = vector.arguments;
    const { outer, length, inner } = shape?.value as { outer: number; length: number; inner: number };
    if (length > 64 || !['sum', 'prod', 'mean'].includes(String(operation?.value))) continue;
    const x = Float32Array.from(wordsOf(input?.bytes ?? ''), floatOf);
    const expected = wordsOf(vector.expected[0]?.bytes ?? '');
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) {
        const list = littleEndian(Float32Array.from({ length }, (_, l) => x[(o * length + l) * inner + i]!));
        const got =
          operation?.value === 'mean'
            ? await one('average', list, length)
            : await one(operation?.value === 'sum' ? 'sum' : 'product', list);
        assert.equal(got, expected[o * inner + i], vector.name);
        checked++;
      }
  }
  assert.ok(checked > 100, `only ${String(checked)} elements`);
});

void test('lists that are too long or do not belong together are refused', async () => {
  for (const bytes of [3, 257, 260]) {
    for (const name of ['sum', 'product', 'largest', 'smallest'])
      assert.equal(await reasonOf(ops.call(name, Buffer.alloc(bytes))), 'WrongListLength');
    assert.equal(await reasonOf(ops.call('largestInside', Buffer.alloc(bytes), 0)), 'WrongListLength');
  }
  assert.equal(await reasonOf(ops.call('average', Buffer.alloc(8), 3)), 'WrongListLength');
  assert.equal(await reasonOf(ops.call('largestGradient', Buffer.alloc(8), Buffer.alloc(4))), 'WrongListLength');
  assert.equal(await reasonOf(ops.call('averageGradient', Buffer.alloc(8), Buffer.alloc(12))), 'WrongListLength');
  assert.equal(
    await reasonOf(ops.call('averageGradient', Buffer.alloc(4), Buffer.from('41000000', 'hex'))),
    'WrongListLength',
  );
});

const pack = (words: readonly number[]): bigint => words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);

void test('Philox gives its known answers, and those of libs/protocol', async () => {
  const known: [string, string, string][] = [
    ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ];
  const words = (text: string): number[] => text.split(' ').map((word) => parseInt(word, 16));
  for (const [counter, key, expected] of known)
    assert.deepEqual(await ops.call('philox', pack(words(counter)), pack(words(key))), [pack(words(expected))]);
  const drawn = Array.from({ length: 1_000 }, () => {
    const counter = [random(), random(), random(), random()] as const;
    return { counter, key: [random(), random()] as const };
  });
  const got = await ops.callEach(
    'philox',
    drawn.map(({ counter, key }) => [pack(counter), pack(key)]),
  );
  assert.deepEqual(
    got.flat(),
    drawn.map(({ counter, key }) => pack(philox4x32([...counter], [...key]))),
  );
});

void test('rows of batches are those of the trainer, over epochs and for any number of rows', async () => {
  assert.deepEqual(
    (
      await ops.callEach(
        'rowAt',
        Array.from({ length: 8 }, (_, i) => [42, 24 + i, 10_000]),
      )
    )
      .flat()
      .map(Number),
    [9278, 8789, 6123, 1321, 1015, 1330, 5863, 2970],
  );
  for (const rows of [1, 2, 3, 4, 5, 15, 16, 17, 255, 257, 60_000, 2 ** 24 + 1, 2 ** 40, 2 ** 48 - 1, 2 ** 48]) {
    const seed = (BigInt(random()) << 32n) | BigInt(random());
    for (const step of [0, 1, 1_000, 2 ** 24 - 1]) {
      const expected = rowIndices(seed, step, 24, BigInt(rows));
      const args = expected.map((_, i) => [seed, step * 24 + i, rows]);
      assert.deepEqual(
        (await ops.callEach('rowAt', args)).flat().map(Number),
        expected,
        `${String(rows)} rows, step ${String(step)}`,
      );
    }
  }
  for (const rows of [0, 2 ** 48 + 1]) assert.equal(await reasonOf(ops.call('rowAt', 1, 0, rows)), 'RowsOutOfRange');
});

void test('each element of a dropout mask is computed alone', async () => {
  for (const threshold of [0, 1, 19_661, 32_768, 65_535, 65_536]) {
    const mask = {
      ...{ seedLow: random(), seedHigh: random(), step: random(), substream: random(), stream: 3, threshold },
      keepScale: Math.fround(1 / 0.7),
    };
    const expected = new Float32Array(203);
    reference.dropoutMask(expected, mask);
    const seed = pack([mask.seedLow, mask.seedHigh]);
    const args = Array.from(expected, (_, index) => [
      ...[seed, mask.step, mask.substream, mask.stream, index, threshold],
      bitsOf(mask.keepScale),
    ]);
    assert.deepEqual((await ops.callEach('dropout', args)).flat().map(Number), bitsOfAll(expected));
  }
});
