import { normaliseTruth, sizeOf } from '../backend/tensors.ts';
import { contractionBlock } from '../contraction-ranges.ts';
import type { BroadcastLayout, ExactKernels, Four, VectorLayout } from '../kernels.ts';
import { bitsOf } from '../reference/float.ts';
import { createReferenceKernels } from '../reference/reference-kernels.ts';
import * as contraction from './contraction.ts';
import { unary } from './functions.ts';
import type { Floats, InnerTensor } from './inner-operations.ts';
import { adamStep, momentumStep, sgdStep } from './optimizers.ts';
import { binary } from './pairs.ts';
import type { ComparisonKernel, Primitives } from './primitives.ts';
import { argReduce, reduce, softmax } from './reductions.ts';
import { gatherRows, segmentSum } from './rows.ts';
import * as windows from './windows.ts';

const comparisonKernels: Record<string, ComparisonKernel> = {
  equal: 'Equal',
  notEqual: 'NotEqual',
  less: 'Less',
  lessEqual: 'LessEqual',
  greater: 'Greater',
  greaterEqual: 'GreaterEqual',
};

/** Shape of an operand that is dense where it does not repeat. */
const operandShape = (shape: Four, strides: Four): number[] =>
  shape.map((length, axis) => (strides[axis] === 0 ? 1 : length));

/** Vectors one after another. */
function gathered(x: Float32Array, { count, length, vectorStride, elementStride }: VectorLayout): Float32Array {
  return Float32Array.from({ length: count * length }, (_, i) => {
    const [vector, element] = [Math.floor(i / length), i % length];
    return x[vector * vectorStride + element * elementStride] as number;
  });
}

/**
 * The composition as kernels on arrays, which are copied to the inner backend and back: so the vectors and the tests of
 * the other implementations apply to it. What is the host's work in the backend too (what enters, dropout's counters,
 * plain movement) is the reference's here.
 */
export function createComposedKernels(p: Primitives): ExactKernels {
  const reference = createReferenceKernels();

  const upload = (values: Float32Array, shape: readonly number[] = [values.length]): Floats =>
    p.upload(values.slice(), shape, 'float32');

  const write = (out: Float32Array | Int32Array | Uint8Array, result: InnerTensor): void => {
    out.set(p.read(result).subarray(0, out.length));
  };

  /** Runs a composition and copies its results to `out`. */
  const compute = (out: (Float32Array | Int32Array | Uint8Array)[], make: () => InnerTensor | InnerTensor[]): void => {
    if (out.every(({ length }) => length === 0)) return;
    p.session(() => {
      p.tidy(() => {
        const results = make();
        (Array.isArray(results) ? results : [results]).forEach((result, i) => {
          write(out[i] as Float32Array, result);
        });
        return [];
      });
    });
  };

  const operands = (a: Float32Array, b: Float32Array, { shape, aStrides, bStrides }: BroadcastLayout) =>
    [
      [a, aStrides],
      [b, bStrides],
    ].map(([values, strides]) => {
      const own = operandShape(shape, strides as Four);
      return upload((values as Float32Array).subarray(0, sizeOf(own)), own);
    }) as [Floats, Floats];

  const blocksOf = (length: number): number => Math.ceil(length / contractionBlock);

  /** 2^(e-1) of given exponents, [count, blocks] as [count * blocks, 1]. */
  const placesOf = (exponents: Int32Array): Float32Array => Float32Array.from(exponents, (e) => 2 ** (e - 1));

  /** Vectors as [count * blocks, 1, block]. */
  const cut = (x: Float32Array, vectors: VectorLayout): Floats => {
    const { count, length } = vectors;
    const rows = upload(gathered(x, vectors), [count, 1, length]);
    return contraction.blocksOfRows(p, rows, blocksOf(length));
  };

  return {
    ...reference,
    name: `composed on ${p.name}`,
    unary: (operation, out, x, parameter0, parameter1) => {
      compute([out], () => unary(p, operation, upload(x), parameter0, parameter1));
    },
    binary: (operation, out, a, b, layout) => {
      compute([out], () => binary(p, operation, ...operands(a, b, layout)));
    },
    compare: (operation, out, a, b, layout) => {
      compute([out], () => p.compare(comparisonKernels[operation] as ComparisonKernel, ...operands(a, b, layout)));
    },
    select: (out, condition, a, b) => {
      const truth = condition.slice();
      normaliseTruth(truth);
      compute([out], () => p.select(p.upload(truth, [truth.length], 'bool'), upload(a), upload(b)));
    },
    reduce: (operation, out, x, extent) => {
      compute([out], () => reduce(p, operation, upload(x), extent));
    },
    argReduce: (operation, out, x, extent) => {
      if (x.length === 0) out.fill(0);
      else compute([out], () => argReduce(p, operation, upload(x), extent));
    },
    softmax: (out, x, rows, columns) => {
      compute([out], () => softmax(p, 'softmax', upload(x), rows, columns));
    },
    logSoftmax: (out, x, rows, columns) => {
      compute([out], () => softmax(p, 'logSoftmax', upload(x), rows, columns));
    },
    matMul: (out, a, b, shape) => {
      const matrices = (values: Float32Array, each: number, stride: number): Floats =>
        upload(values.subarray(0, stride === 0 ? each : shape.batch * each));
      compute([out], () =>
        contraction.matMul(
          p,
          matrices(a, shape.m * shape.k, shape.aBatchStride),
          matrices(b, shape.k * shape.n, shape.bBatchStride),
          shape,
        ),
      );
    },
    blockExponents: (exponents, x, vectors) => {
      const found = new Float32Array(exponents.length);
      compute([found], () => contraction.places(p, cut(x, vectors), 'left'));
      found.forEach((place, i) => {
        exponents[i] = (bitsOf(place) >> 23) - 126;
      });
    },
    quantise: (out, x, exponents, vectors, operand) => {
      const { count, length } = vectors;
      const padded = blocksOf(length) > 1 ? blocksOf(length) * contractionBlock : length;
      const integers = new Float32Array(count * padded);
      compute([integers], () => {
        const place = upload(placesOf(exponents), [exponents.length, 1, 1]);
        return contraction.quantise(p, cut(x, vectors), place, operand);
      });
      for (let i = 0; i < out.length; i++) out[i] = integers[Math.floor(i / length) * padded + (i % length)] as number;
    },
    contract: (sums, a, b, m, k, n) => {
      for (let block = 0; block < blocksOf(k); block++) {
        const [start, end] = [block * contractionBlock, Math.min(k, (block + 1) * contractionBlock)];
        const part = (values: Int8Array, count: number, isColumns: boolean): Float32Array =>
          gathered(Float32Array.from(values).subarray(start), {
            ...(isColumns
              ? { count: end - start, length: count, vectorStride: 1, elementStride: k }
              : { count, length: end - start, vectorStride: k, elementStride: 1 }),
          });
        compute([sums.subarray(block * m * n, (block + 1) * m * n)], () =>
          contraction.contract(
            p,
            upload(part(a, m, false), [1, m, end - start]),
            upload(part(b, n, true), [1, end - start, n]),
          ),
        );
      }
    },
    rescale: (out, sums, aExponents, bExponents, m, n, blocks) => {
      const perBlock = (exponents: Int32Array, count: number): Float32Array =>
        gathered(placesOf(exponents), { count: blocks, length: count, vectorStride: 1, elementStride: blocks });
      compute([out], () => {
        const rescaled = contraction.rescale(
          p,
          upload(Float32Array.from(sums), [blocks, m, n]),
          upload(perBlock(aExponents, m), [blocks, m, 1]),
          upload(perBlock(bExponents, n), [blocks, 1, n]),
        );
        return reduce(p, 'sum', rescaled, { outer: 1, length: blocks, inner: m * n });
      });
    },
    conv2d: (out, x, filter, geometry) => {
      compute([out], () => windows.conv2d(p, upload(x), upload(filter), geometry));
    },
    conv2dFilterGradient: (out, x, dy, geometry) => {
      compute([out], () => windows.conv2dFilterGradient(p, upload(x), upload(dy), geometry));
    },
    maxPool: (out, x, geometry) => {
      compute([out], () => windows.maxPool(p, upload(x), geometry));
    },
    maxPoolGradient: (out, dy, x, geometry) => {
      compute([out], () => windows.maxPoolGradient(p, upload(dy), upload(x), geometry));
    },
    avgPool: (out, x, geometry) => {
      compute([out], () => windows.avgPool(p, upload(x), geometry));
    },
    avgPoolGradient: (out, dy, geometry) => {
      compute([out], () => windows.avgPoolGradient(p, upload(dy), geometry));
    },
    gatherRows: (out, x, indices, tableRows, width) => {
      compute([out], () => gatherRows(p, upload(x.subarray(0, tableRows * width), [tableRows, width]), indices));
    },
    segmentSum: (out, x, ids, segments, width) => {
      compute([out], () =>
        segmentSum(p, upload(x.subarray(0, ids.length * width), [ids.length, width]), ids, segments),
      );
    },
    sgdStep: (weights, gradients, rate) => {
      compute([weights], () => sgdStep(p, upload(weights), upload(gradients), rate));
    },
    momentumStep: (weights, velocity, gradients, rate, momentum) => {
      compute([weights, velocity], () =>
        momentumStep(p, upload(weights), upload(velocity), upload(gradients), rate, momentum),
      );
    },
    adamStep: (weights, firstMoment, secondMoment, gradients, coefficients) => {
      const state = [weights, firstMoment, secondMoment];
      compute(state, () => {
        const [w, m, v] = state.map((values) => upload(values)) as [Floats, Floats, Floats];
        return adamStep(p, w, m, v, upload(gradients), coefficients);
      });
    },
  };
}
