import { ExactMemoryError } from '../errors.ts';
import type { ElementArray, ElementType, ExactKernels } from '../kernels.ts';
import { binary, compare, select } from './arithmetic.ts';
import { blockExponents, contract, matMul, quantise, rescale } from './contraction.ts';
import { conv2d, conv2dFilterGradient } from './convolution.ts';
import { adamStep, momentumStep, sgdStep } from './optimizers.ts';
import { avgPool, avgPoolGradient, maxPool, maxPoolGradient } from './pooling.ts';
import { dropoutMask } from './random.ts';
import { argReduce, reduce } from './reductions.ts';
import { gatherRows, segmentSum } from './rows.ts';
import { logSoftmax, softmax } from './softmax.ts';
import { copyStrided } from './strided-copy.ts';
import { normalise, unary } from './unary.ts';

const constructors = { float32: Float32Array, int32: Int32Array, int8: Int8Array, uint8: Uint8Array };

function allocate<Type extends ElementType>(type: Type, length: number): ElementArray<Type> {
  try {
    return new constructors[type](length) as ElementArray<Type>;
  } catch (cause) {
    throw new ExactMemoryError(length * constructors[type].BYTES_PER_ELEMENT, 'reference', { cause });
  }
}

/** The specification in TypeScript: for tests and for reading, not for speed. */
export function createReferenceKernels(): ExactKernels {
  return {
    name: 'reference',
    allocate,
    free: () => undefined, // the garbage collector's work
    dispose: () => undefined,
    normalise,
    unary,
    binary,
    compare,
    select,
    reduce,
    argReduce,
    softmax,
    logSoftmax,
    matMul,
    blockExponents,
    quantise,
    contract,
    rescale,
    conv2d,
    conv2dFilterGradient,
    maxPool,
    maxPoolGradient,
    avgPool,
    avgPoolGradient,
    gatherRows,
    segmentSum,
    copyStrided,
    dropoutMask,
    sgdStep,
    momentumStep,
    adamStep,
  };
}
