import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ConvolutionGeometry, createReferenceKernels, type PoolGeometry, type StridedCopy } from '@cotrain/exact';
import { type Evm, type EvmContract, reasonOf, startEvm } from './evm.ts';
import { drawValues, littleEndian } from './exact-values.ts';
import { bitsOf } from './float-operations.ts';
import { randomWords } from './random-words.ts';

// Index maps, and pooling with its gradients element by element from what the maps find, against the reference.

const reference = createReferenceKernels();
const random = randomWords(Number(process.env['FOUNDRY_FUZZ_SEED'] ?? 1));
let evm: Evm;
let ops: EvmContract;
let indexes: EvmContract;
before(async () => {
  evm = await startEvm(['ExactOps'], ['test/verification/{Batcher,IndexHarness}.sol']);
  ops = evm.contracts['ExactOps']!;
  indexes = evm.contracts['IndexHarness']!;
});
after(() => evm.close());

async function indicesFrom(name: string, ...args: unknown[]): Promise<number[]> {
  const [indices] = (await indexes.call(name, ...args)) as [bigint[]];
  return indices.map(Number);
}

/** The two axes of a geometry, as ExactIndexes.Axis. */
function axesOf(g: PoolGeometry & Partial<ConvolutionGeometry>): number[][] {
  return [
    [g.inHeight, g.outHeight, g.filterHeight, g.strideHeight, g.dilationHeight, g.inputDilationHeight ?? 1, g.padTop],
    [g.inWidth, g.outWidth, g.filterWidth, g.strideWidth, g.dilationWidth, g.inputDilationWidth ?? 1, g.padLeft],
  ];
}

const pool = (change: Partial<PoolGeometry>): PoolGeometry => ({
  ...{ batch: 2, channels: 3, inHeight: 6, inWidth: 5, outHeight: 3, outWidth: 2, filterHeight: 2, filterWidth: 2 },
  ...{ strideHeight: 2, strideWidth: 2, dilationHeight: 1, dilationWidth: 1, padTop: 0, padLeft: 0 },
  ...change,
});

const geometries: Record<string, PoolGeometry> = {
  'side by side': pool({}),
  'overlapping and beyond the border': pool({
    ...{
      filterHeight: 3,
      filterWidth: 3,
      strideHeight: 1,
      strideWidth: 1,
      outHeight: 6,
      outWidth: 5,
      padTop: 1,
      padLeft: 1,
    },
  }),
  'with gaps': pool({
    strideHeight: 3,
    outHeight: 2,
    filterHeight: 2,
    dilationHeight: 2,
    dilationWidth: 3,
    outWidth: 1,
  }),
  'of 64 positions': pool({ filterHeight: 8, filterWidth: 8, padTop: 4, padLeft: 4, outHeight: 4, outWidth: 3 }),
  'wholly outside somewhere': pool({ padTop: 4, padLeft: 2, outHeight: 4, outWidth: 3 }),
};

for (const [name, g] of Object.entries(geometries)) {
  void test(`pooling and its gradients, windows ${name}`, async () => {
    const inputs = g.batch * g.inHeight * g.inWidth * g.channels;
    const outputs = g.batch * g.outHeight * g.outWidth * g.channels;
    const positions = g.filterHeight * g.filterWidth;
    // Few values, so that the largest often stands at several positions; the least of all values among them.
    const x = Float32Array.from({ length: inputs }, () => [-(2 ** 100), -2, 0, 1, 1.5][random() % 5]!);
    const dy = drawValues(random, outputs, -4, 3);
    const want = {
      maxPool: new Float32Array(outputs),
      avgPool: new Float32Array(outputs),
      maxPoolGradient: new Float32Array(inputs),
      avgPoolGradient: new Float32Array(inputs),
    };
    reference.maxPool(want.maxPool, x, g);
    reference.avgPool(want.avgPool, x, g);
    reference.maxPoolGradient(want.maxPoolGradient, dy, x, g);
    reference.avgPoolGradient(want.avgPoolGradient, dy, g);

    const seen = await indicesFrom('windows', outputs, false, ...axesOf(g), g.channels);
    const firstPositions: number[] = [];
    const counts: number[] = [];
    for (let out = 0; out < outputs; out++) {
      const window = seen.slice(out * positions, (out + 1) * positions);
      const inside = window.reduce((bits, index, i) => (index < 0 ? bits : bits | (1n << BigInt(i))), 0n);
      const list = littleEndian(Float32Array.from(window, (index) => (index < 0 ? 0 : x[index]!)));
      const [value, position] = await ops.call('largestInside', list, inside);
      assert.equal(Number(value), bitsOf(want.maxPool[out]!), `maxPool ${String(out)}`);
      firstPositions.push(Number(position));
      counts.push(window.filter((index) => index >= 0).length);
      const [average] = await ops.call('average', list, counts[out]);
      assert.equal(Number(average), bitsOf(want.avgPool[out]!), `avgPool ${String(out)}`);
    }

    const seeing = await indicesFrom('windows', inputs, true, ...axesOf(g), g.channels);
    for (let at = 0; at < inputs; at++) {
      const windows = seeing.slice(at * positions, (at + 1) * positions);
      for (const [position, out] of windows.entries())
        if (out >= 0) assert.equal(seen[out * positions + position], at, 'the two maps are inverse');
      const gradients = littleEndian(Float32Array.from(windows, (out) => (out < 0 ? 0 : dy[out]!)));
      const of = (values: number[], absent: number): Uint8Array =>
        littleEndian(Int32Array.from(windows, (out) => (out < 0 ? absent : values[out]!)));
      const [largest] = await ops.call('largestGradient', gradients, of(firstPositions, -1));
      assert.equal(Number(largest), bitsOf(want.maxPoolGradient[at]!), `maxPoolGradient ${String(at)}`);
      const [average] = await ops.call('averageGradient', gradients, of(counts, 0));
      assert.equal(Number(average), bitsOf(want.avgPoolGradient[at]!), `avgPoolGradient ${String(at)}`);
    }
  });
}

void test('patches of convolutions, strided, dilated, padded and spread, are those of the specification', async () => {
  const base: ConvolutionGeometry = {
    ...{ batch: 2, inHeight: 6, inWidth: 7, inChannels: 3, outHeight: 4, outWidth: 6, outChannels: 1 },
    ...{ filterHeight: 3, filterWidth: 2, strideHeight: 1, strideWidth: 1, dilationHeight: 1, dilationWidth: 1 },
    ...{ inputDilationHeight: 1, inputDilationWidth: 1, padTop: 0, padLeft: 0 },
  };
  for (const change of [
    {},
    { padTop: 1, padLeft: 1, outHeight: 6, outWidth: 8 },
    { strideHeight: 2, strideWidth: 3, outHeight: 2, outWidth: 2 },
    { dilationHeight: 2, dilationWidth: 3, outHeight: 2, outWidth: 4 },
    { inputDilationHeight: 2, inputDilationWidth: 3, padTop: 2, padLeft: 1, outHeight: 13, outWidth: 19 },
    { padTop: -1, padLeft: -2, outHeight: 2, outWidth: 3 },
  ]) {
    const g = { ...base, ...change };
    const rows = g.batch * g.outHeight * g.outWidth;
    const columns = g.filterHeight * g.filterWidth * g.inChannels;
    const got = await indicesFrom('patches', rows, columns, ...axesOf({ ...g, channels: g.inChannels }), g.inChannels);
    // docs/exact-1.md, section 8, as it stands there.
    const expected: number[] = [];
    for (let n = 0; n < g.batch; n++)
      for (let oh = 0; oh < g.outHeight; oh++)
        for (let ow = 0; ow < g.outWidth; ow++)
          for (let kh = 0; kh < g.filterHeight; kh++)
            for (let kw = 0; kw < g.filterWidth; kw++)
              for (let c = 0; c < g.inChannels; c++) {
                const y = (oh * g.strideHeight + kh * g.dilationHeight - g.padTop) / g.inputDilationHeight;
                const x = (ow * g.strideWidth + kw * g.dilationWidth - g.padLeft) / g.inputDilationWidth;
                const inside = [y, x].every((at) => at >= 0 && Number.isInteger(at)) && y < g.inHeight && x < g.inWidth;
                expected.push(inside ? ((n * g.inHeight + y) * g.inWidth + x) * g.inChannels + c : -1);
              }
    assert.deepEqual(got, expected, JSON.stringify(change));
  }
});

void test('broadcast and strided copies find the elements that the reference moves', async () => {
  const layout = { shape: [3, 4, 5, 7], strides: [35, 0, 7, 1] } as const;
  const x = Float32Array.from({ length: 105 }, (_, i) => i + 1);
  const moved = new Float32Array(420);
  reference.binary('add', moved, x, new Float32Array(1), {
    ...{ shape: layout.shape, aStrides: layout.strides, bStrides: [0, 0, 0, 0] },
  });
  const found = await indicesFrom('broadcast', 420, layout.shape, layout.strides);
  assert.deepEqual(
    found.map((index) => x[index]),
    Array.from(moved),
  );

  const copy: StridedCopy = {
    ...{ shape: [1, 1, 2, 3, 2, 3], outOffset: 1, outStrides: [0, 0, 30, 9, 5, 1] },
    ...{ xOffset: 9, xStrides: [0, 0, 4, 0, -6, 1] },
  };
  const out = new Int32Array(64);
  const source = Int32Array.from({ length: 20 }, (_, i) => 100 + i);
  reference.copyStrided(out, source, copy);
  const from = await indicesFrom('strided', 36, copy.shape, copy.xOffset, copy.xStrides);
  const to = await indicesFrom('strided', 36, copy.shape, copy.outOffset, copy.outStrides);
  const again = new Int32Array(64);
  to.forEach((place, i) => (again[place] = source[from[i]!]!));
  assert.deepEqual(again, out);
});

void test('elements beyond the end of a shape are refused', async () => {
  assert.equal(await reasonOf(indexes.call('broadcast', 421, [3, 4, 5, 7], [35, 0, 7, 1])), 'IndexOutOfShape');
  assert.equal(await reasonOf(indexes.call('broadcast', 1, [3, 0, 5, 7], [35, 0, 7, 1])), 'IndexOutOfShape');
  assert.equal(
    await reasonOf(indexes.call('strided', 7, [1, 1, 1, 1, 2, 3], 0, [0, 0, 0, 0, 3, 1])),
    'IndexOutOfShape',
  );
  const g = pool({});
  const columns = g.filterHeight * g.filterWidth * g.channels;
  assert.equal(await reasonOf(indexes.call('patches', 1, columns + 1, ...axesOf(g), g.channels)), 'IndexOutOfShape');
});
