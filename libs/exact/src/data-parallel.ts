import { contractionBlock } from './contraction-ranges.ts';
import { UnsupportedArgumentError } from './errors.ts';
import type { ElementArray, ElementType, ExactKernels, Operand, VectorLayout } from './kernels.ts';

// §5 and §6 over several workers. Worker s of w holds the rows s, s + w, s + 2w ... of a batch. Three rounds give what one
// worker with the whole batch computes: the largest exponents, the sums of small integers, and what follows from both.

/** A worker's rows of a dense layer's step: [rows, inputs] and [rows, outputs], row i being row s + i * w of the batch. */
export interface DenseShard {
  inputs: Float32Array;
  outputGradients: Float32Array;
}

export interface DenseLayer {
  /** Rows of the whole batch. */
  batch: number;
  inputs: number;
  outputs: number;
  /** 1, 2, 4 ... 64. */
  workers: number;
}

/** Round 1: the exponents (§6.1) of a worker's own rows, [blocks, inputs] and [blocks, outputs]. */
export interface ShardExponents {
  inputs: Int32Array;
  outputGradients: Int32Array;
}

/** Round 2: what a worker adds to the gradients. */
export interface ShardSums {
  /** §6.3 over its own rows: [blocks, inputs, outputs]. Sums of all workers stay below 2^24. */
  products: Int32Array;
  /** §5: its subtree of each block of 64 rows, before the last levels and N: [blocks of 64, outputs]. */
  bias: Float32Array;
}

/** Gradients of a dense layer's kernel [inputs, outputs] and bias [outputs]. */
export interface DenseGradients {
  kernel: Float32Array;
  bias: Float32Array;
}

const sumBlock = 64;

/** @throws UnsupportedArgumentError unless the workers' rows are whole subtrees of a block */
function checkLayer({ workers }: DenseLayer): void {
  if (!Number.isInteger(Math.log2(workers)) || workers < 1 || workers > sumBlock)
    throw new UnsupportedArgumentError(
      'a data-parallel gradient',
      `${String(workers)} workers: it takes 1, 2, 4, 8, 16, 32 or 64, so that each holds whole subtrees of a sum.`,
    );
}

/** Rows of worker `shard` among the first `rows` of the batch. */
const rowsOf = (rows: number, shard: number, workers: number): number =>
  Math.max(0, Math.ceil((rows - shard) / workers));

/** Rows that a worker has in each block of `size` rows of the batch. */
function blocksOf(layer: DenseLayer, shard: number, size: number): { first: number; rows: number }[] {
  return Array.from({ length: Math.ceil(layer.batch / size) }, (_, block) => {
    const first = rowsOf(block * size, shard, layer.workers);
    return { first, rows: rowsOf(Math.min(layer.batch, (block + 1) * size), shard, layer.workers) - first };
  });
}

/** Lends arrays of an implementation's memory. */
function withArrays<Result>(
  kernels: ExactKernels,
  use: (
    take: <Type extends ElementType>(type: Type, source: ElementArray<Type> | number) => ElementArray<Type>,
  ) => Result,
): Result {
  const taken: ElementArray<ElementType>[] = [];
  try {
    return use((type, source) => {
      const array = kernels.allocate(type, typeof source === 'number' ? source : source.length);
      taken.push(array);
      if (typeof source !== 'number') array.set(source);
      return array;
    });
  } finally {
    for (const array of taken) kernels.free(array);
  }
}

/** Columns of a row-major matrix as vectors. */
const columns = (count: number, length: number): VectorLayout => ({
  ...{ count, length, vectorStride: 1, elementStride: count },
});

/** The two matrices of a shard, with their widths and their sides of the contraction. */
const sides = (shard: DenseShard, layer: DenseLayer) =>
  [
    { name: 'inputs', values: shard.inputs, width: layer.inputs, operand: 'left' },
    { name: 'outputGradients', values: shard.outputGradients, width: layer.outputs, operand: 'right' },
  ] as const satisfies { name: keyof DenseShard; values: Float32Array; width: number; operand: Operand }[];

/** Round 1, at worker `shard`: what the others must know before anybody quantises. */
export function shardExponents(
  kernels: ExactKernels,
  layer: DenseLayer,
  shard: number,
  data: DenseShard,
): ShardExponents {
  checkLayer(layer);
  const [inputs, outputGradients] = sides(data, layer).map(({ values, width }) =>
    withArrays(kernels, (take) => {
      const blocks = blocksOf(layer, shard, contractionBlock);
      const x = take('float32', values);
      // A block without a row of its own has the exponent of zeros.
      const exponents = new Int32Array(blocks.length * width).fill(-99);
      blocks.forEach(({ first, rows }, block) => {
        if (rows === 0) return;
        const found = take('int32', width);
        kernels.blockExponents(found, x.subarray(first * width), columns(width, rows));
        exponents.set(found, block * width);
      });
      return exponents;
    }),
  ) as [Int32Array, Int32Array];
  return { inputs, outputGradients };
}

/** Between the rounds: the exponents of whole blocks. */
export function largestExponents(all: readonly ShardExponents[]): ShardExponents {
  const largest = (name: keyof ShardExponents): Int32Array =>
    all.map((one) => one[name]).reduce((a, b) => a.map((exponent, i) => Math.max(exponent, b[i] as number)));
  return { inputs: largest('inputs'), outputGradients: largest('outputGradients') };
}

/** Round 2, at worker `shard`, with the exponents that all agreed on. */
export function shardSums(
  kernels: ExactKernels,
  layer: DenseLayer,
  shard: number,
  data: DenseShard,
  exponents: ShardExponents,
): ShardSums {
  checkLayer(layer);
  const { inputs, outputs } = layer;
  const blocks = blocksOf(layer, shard, contractionBlock);
  const products = new Int32Array(blocks.length * inputs * outputs);
  withArrays(kernels, (take) => {
    const whole = sides(data, layer).map((side) => ({ ...side, x: take('float32', side.values) }));
    blocks.forEach(({ first, rows }, block) => {
      if (rows === 0) return;
      const [left, right] = whole.map(({ name, x, width, operand }) => {
        const integers = take('int8', width * rows);
        const own = take('int32', exponents[name].subarray(block * width, (block + 1) * width));
        kernels.quantise(integers, x.subarray(first * width), own, columns(width, rows), operand);
        return integers;
      }) as [Int8Array, Int8Array];
      const sums = take('int32', inputs * outputs);
      kernels.contract(sums, left, right, inputs, rows, outputs);
      products.set(sums, block * inputs * outputs);
    });
  });
  return { products, bias: biasSubtrees(layer, shard, data.outputGradients) };
}

/** The levels of S in which a worker's rows meet only each other: plain additions, as in §5. */
function biasSubtrees(layer: DenseLayer, shard: number, rows: Float32Array): Float32Array {
  const { outputs, workers } = layer;
  const blocks = blocksOf(layer, shard, sumBlock);
  const result = new Float32Array(blocks.length * outputs);
  const list = new Float32Array(sumBlock / workers);
  blocks.forEach(({ first, rows: count }, block) => {
    for (let output = 0; output < outputs; output++) {
      list.fill(0);
      for (let i = 0; i < count; i++) list[i] = rows[(first + i) * outputs + output] as number;
      for (let half = list.length / 2; half >= 1; half /= 2)
        for (let i = 0; i < half; i++) list[i] = (list[i] as number) + (list[i + half] as number);
      result[block * outputs + output] = list[0] as number;
    }
  });
  return result;
}

/** Round 3, anywhere: the gradients, whose bits do not depend on how many workers there were. */
export function combineShards(
  kernels: ExactKernels,
  layer: DenseLayer,
  exponents: ShardExponents,
  sums: readonly ShardSums[],
): DenseGradients {
  checkLayer(layer);
  if (sums.length !== layer.workers)
    throw new UnsupportedArgumentError(
      'a data-parallel gradient',
      `sums of ${String(sums.length)} workers were given, but the layer has ${String(layer.workers)}.`,
    );
  return withArrays(kernels, (take) => {
    const { inputs, outputs } = layer;
    const blocks = Math.ceil(layer.batch / contractionBlock);
    // Integers add up in any order.
    const products = sums.map((one) => one.products).reduce((a, b) => a.map((sum, i) => sum + (b[i] as number)));
    const byVector = (values: Int32Array, width: number): Int32Array =>
      Int32Array.from(values, (_, i) => values[(i % blocks) * width + Math.floor(i / blocks)] as number);
    const kernel = take('float32', inputs * outputs);
    kernels.rescale(
      ...([kernel, take('int32', products), take('int32', byVector(exponents.inputs, inputs))] as const),
      ...([take('int32', byVector(exponents.outputGradients, outputs)), inputs, outputs, blocks] as const),
    );
    // Worker s's subtree is element s of the last levels of its block.
    const sumBlocks = Math.ceil(layer.batch / sumBlock);
    const partial = Float32Array.from({ length: sumBlocks * layer.workers * outputs }, (_, i) => {
      const [block, worker] = [Math.floor(i / (layer.workers * outputs)), Math.floor(i / outputs) % layer.workers];
      return sums[worker]?.bias[block * outputs + (i % outputs)] as number;
    });
    const perBlock = take('float32', sumBlocks * outputs);
    const lastLevels = { outer: sumBlocks, length: layer.workers, inner: outputs };
    kernels.reduce('sum', perBlock, take('float32', partial), lastLevels);
    kernels.normalise(perBlock, perBlock); // a single worker's subtree is not a value yet
    const bias = take('float32', outputs);
    kernels.reduce('sum', bias, perBlock, { outer: 1, length: sumBlocks, inner: outputs });
    return { kernel: kernel.slice(), bias: bias.slice() };
  });
}
