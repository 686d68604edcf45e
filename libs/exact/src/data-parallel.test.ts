import { afterAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { anyValue } from '../test/values.ts';
import {
  combineShards,
  type DenseGradients,
  type DenseLayer,
  largestExponents,
  shardExponents,
  shardSums,
} from './data-parallel.ts';
import { UnsupportedArgumentError } from './errors.ts';
import type { ExactKernels } from './kernels.ts';
import { createReferenceKernels } from './reference/reference-kernels.ts';
import { createWasmKernels } from './wasm/wasm-kernels.ts';

const reference = createReferenceKernels();
const wasm = createWasmKernels({ threads: 1 });

afterAll(async () => {
  await wasm.dispose();
});

/** Rows shard, shard + workers, ... of a matrix. */
const rowsOf = (matrix: Float32Array, width: number, shard: number, workers: number): Float32Array =>
  matrix.filter((_, i) => Math.floor(i / width) % workers === shard);

/** The rounds of a step. Each worker may have another implementation. */
function dataParallel(
  layer: DenseLayer,
  inputs: Float32Array,
  outputGradients: Float32Array,
  kernelsOf: (shard: number) => ExactKernels,
): DenseGradients {
  const shards = Array.from({ length: layer.workers }, (_, shard) => ({
    kernels: kernelsOf(shard),
    data: {
      inputs: rowsOf(inputs, layer.inputs, shard, layer.workers),
      outputGradients: rowsOf(outputGradients, layer.outputs, shard, layer.workers),
    },
  }));
  const exponents = largestExponents(
    shards.map(({ kernels, data }, shard) => shardExponents(kernels, layer, shard, data)),
  );
  const sums = shards.map(({ kernels, data }, shard) => shardSums(kernels, layer, shard, data, exponents));
  return combineShards(kernelsOf(0), layer, exponents, sums);
}

/** What one worker computes with the whole batch: the backend's kernels. */
function alone(layer: DenseLayer, inputs: Float32Array, outputGradients: Float32Array): DenseGradients {
  const { batch, inputs: m, outputs: n } = layer;
  const kernel = new Float32Array(m * n);
  const shape = { batch: 1, m, k: batch, n, transposeA: true, transposeB: false, aBatchStride: 0, bBatchStride: 0 };
  reference.matMul(kernel, inputs, outputGradients, shape);
  const bias = new Float32Array(n);
  reference.reduce('sum', bias, outputGradients, { outer: 1, length: batch, inner: n });
  return { kernel, bias };
}

const bits = ({ kernel, bias }: DenseGradients): Uint32Array[] =>
  [kernel, bias].map((values) => new Uint32Array(values.slice().buffer));

const spread = (seeds: readonly number[], length: number, salt: number): Float32Array => {
  const values = Float32Array.from({ length }, (_, i) => {
    const mixed = Math.imul(i + 1 + salt, 0x9e3779b1) >>> 0;
    return (seeds[mixed % seeds.length] as number) * (mixed & 0x100 ? 1 + (mixed >>> 20) / 4096 : 1);
  });
  reference.normalise(values, values);
  return values;
};

describe('data-parallel gradients of a dense layer', () => {
  it.each([1, 2, 4, 8])('have the bits of one worker over %i shards', (workers) => {
    fc.assert(
      fc.property(
        fc.array(anyValue, { minLength: 2, maxLength: 40 }),
        fc.oneof(fc.integer({ min: 1, max: 140 }), fc.constantFrom(1023, 1024, 1025, 2100, 4161)),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        (seeds, batch, inputs, outputs) => {
          const layer = { batch, inputs, outputs, workers };
          const [x, dy] = [spread(seeds, batch * inputs, 1), spread(seeds, batch * outputs, 2)];
          const expected = bits(alone(layer, x, dy));
          expect(bits(dataParallel(layer, x, dy, () => reference))).toEqual(expected);
          expect(bits(dataParallel(layer, x, dy, (shard) => (shard % 2 === 0 ? wasm : reference)))).toEqual(expected);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('need the exponents of all: a shard that quantises by its own differs', () => {
    const layer = { batch: 2, inputs: 1, outputs: 1, workers: 2 };
    const [x, dy] = [Float32Array.of(1000, 0.37), Float32Array.of(1, 1)];
    const shards = [0, 1].map((shard) => ({
      inputs: rowsOf(x, 1, shard, 2),
      outputGradients: rowsOf(dy, 1, shard, 2),
    }));
    const own = shards.map((data, shard) => shardExponents(reference, layer, shard, data));
    const sums = shards.map((data, shard) => shardSums(reference, layer, shard, data, own[shard]!));
    const wrong = combineShards(reference, layer, largestExponents(own), sums);
    expect(bits(wrong)).not.toEqual(bits(alone(layer, x, dy)));
  });

  it.each([0, 3, 12, 128])('refuse %i workers, whose rows are no whole subtrees', (workers) => {
    const layer = { batch: 4, inputs: 1, outputs: 1, workers };
    const data = { inputs: new Float32Array(1), outputGradients: new Float32Array(1) };
    expect(() => shardExponents(reference, layer, 0, data)).toThrow(UnsupportedArgumentError);
    expect(() =>
      combineShards(reference, layer, shardExponents(reference, { ...layer, workers: 1 }, 0, data), []),
    ).toThrow(UnsupportedArgumentError);
  });
});
