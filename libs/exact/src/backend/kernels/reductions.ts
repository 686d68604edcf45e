import { UnsupportedArgumentError } from '../../errors.ts';
import type { Reduction, ReductionExtent } from '../../kernels.ts';
import type { ExactBackend } from '../exact-backend.ts';
import { type ExactTensor, sizeOf, type TensorValues } from '../tensors.ts';
import { type Attributes, floats, isFloat, type KernelFunction, type KernelTable, required } from '../kernel.ts';
import { moveElements, stridesOf } from '../movement.ts';

export interface ReductionAttributes {
  axis?: number | number[];
  /** The name that Max uses. */
  reductionIndices?: number | number[];
  keepDims?: boolean;
}

/** Axes in ascending order, none negative; all if none is named. */
function axesOf(attributes: ReductionAttributes, rank: number): number[] {
  const named = attributes.axis ?? attributes.reductionIndices ?? null;
  if (named === null) return Array.from({ length: rank }, (_, axis) => axis);
  const list = (Array.isArray(named) ? named : [named]).map((axis) => (axis < 0 ? axis + rank : axis));
  return [...new Set(list)].sort((a, b) => a - b);
}

/** How a reduction sees a tensor: as [outer, length, inner], after its axes were moved in `order` if that is given. */
export interface ReductionLayout {
  extent: ReductionExtent;
  outShape: number[];
  order?: number[];
}

export function reductionLayout(shape: readonly number[], attributes: ReductionAttributes): ReductionLayout {
  const axes = axesOf(attributes, shape.length);
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const outShape =
    (attributes.keepDims ?? false)
      ? shape.map((length, axis) => (axes.includes(axis) ? 1 : length))
      : kept.map((axis) => shape[axis] as number);
  const lengths = (list: readonly number[]): number => sizeOf(list.map((axis) => shape[axis] as number));
  const first = axes[0] ?? 0;
  if (axes.every((axis, i) => axis === first + i)) {
    const outer = sizeOf(shape.slice(0, first));
    const inner = sizeOf(shape.slice(first + axes.length));
    return { outShape, extent: { outer, length: lengths(axes), inner } };
  }
  // The order of a list over several axes is row-major over the reduced axes: they move to the end.
  return { outShape, extent: { outer: lengths(kept), length: lengths(axes), inner: 1 }, order: [...kept, ...axes] };
}

/** Hands over x with its reduced axes side by side, as [outer, length, inner], and makes the output. */
function reduceAxes<Type extends 'float32' | 'int32' | 'bool'>(
  backend: ExactBackend,
  kernel: string,
  x: ExactTensor,
  attributes: ReductionAttributes,
  dtype: Type,
  run: (out: TensorValues, x: TensorValues, extent: ReductionExtent) => void,
): ExactTensor<Type> {
  const { extent, outShape, order } = reductionLayout(x.shape, attributes);
  const [out, values] = backend.output(outShape, dtype);
  if (order === undefined) {
    run(values, backend.values(x), extent);
    return out;
  }
  backend.withScratch((take) => {
    const turned = take(x.dtype === 'bool' ? 'uint8' : x.dtype, sizeOf(x.shape));
    const strides = stridesOf(x.shape);
    const shape = order.map((axis) => x.shape[axis] as number);
    moveElements(backend, kernel, turned, backend.values(x), {
      ...{ shape, outOffset: 0, outStrides: stridesOf(shape), xOffset: 0 },
      xStrides: order.map((axis) => strides[axis] as number),
    });
    run(values, turned, extent);
  });
  return out;
}

const integerReductions: Partial<Record<Reduction, { start: number; combine: (a: number, b: number) => number }>> = {
  sum: { start: 0, combine: (a, b) => (a + b) | 0 },
  prod: { start: 1, combine: Math.imul },
  max: { start: -(2 ** 31), combine: (a, b) => Math.max(a, b) },
  min: { start: 2 ** 31 - 1, combine: (a, b) => Math.min(a, b) },
};

/** Folds the middle axis of integers, whose order does not matter. */
function foldIntegers(
  out: TensorValues,
  x: TensorValues,
  { outer, length, inner }: ReductionExtent,
  start: number,
  combine: (a: number, b: number) => number,
): void {
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) {
      let result = start;
      for (let l = 0; l < length; l++) result = combine(result, x[(o * length + l) * inner + i] as number);
      out[o * inner + i] = result;
    }
}

const reductionKernel =
  (kernel: string, operation: Reduction): KernelFunction =>
  (backend, inputs, attributes) => {
    const x = required(inputs, 'x');
    if (isFloat(x))
      return reduceAxes(backend, kernel, x, attributes, 'float32', (out, values, extent) => {
        backend.kernels.reduce(operation, out as Float32Array, values as Float32Array, extent);
      });
    const fold = integerReductions[operation];
    if (fold === undefined)
      throw new UnsupportedArgumentError(kernel, `it does not take ${x.dtype}; cast it to float32.`);
    return reduceAxes(backend, kernel, x, attributes, 'int32', (out, values, extent) => {
      foldIntegers(out, values, extent, fold.start, fold.combine);
    });
  };

const booleanKernel =
  (kernel: string, start: 0 | 1, combine: (a: number, b: number) => number): KernelFunction =>
  (backend, inputs, attributes) =>
    reduceAxes(backend, kernel, required(inputs, 'x'), attributes, 'bool', (out, values, extent) => {
      foldIntegers(out, values, extent, start, combine);
    });

function argIntegers(
  operation: 'argMax' | 'argMin',
  out: Int32Array,
  x: TensorValues,
  { outer, length, inner }: ReductionExtent,
): void {
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) {
      const at = (l: number): number => x[(o * length + l) * inner + i] as number;
      let best = 0;
      for (let l = 1; l < length; l++) if (operation === 'argMax' ? at(l) > at(best) : at(l) < at(best)) best = l;
      out[o * inner + i] = best;
    }
}

const argKernel =
  (kernel: string, operation: 'argMax' | 'argMin'): KernelFunction =>
  (backend, inputs, attributes) => {
    const x = required(inputs, 'x');
    return reduceAxes(backend, kernel, x, attributes, 'int32', (out, values, extent) => {
      if (isFloat(x)) backend.kernels.argReduce(operation, out as Int32Array, values as Float32Array, extent);
      else argIntegers(operation, out as Int32Array, values, extent);
    });
  };

/** Length of the last axis. @throws UnsupportedArgumentError if the attributes name another axis */
export function lastAxis(kernel: string, shape: readonly number[], attributes: Attributes): number {
  const { dim, axis = dim } = attributes as { dim?: number; axis?: number };
  if (axis !== undefined && axis !== shape.length - 1 && axis !== -1)
    throw new UnsupportedArgumentError(
      kernel,
      `it works along the last axis; transpose the input (axis is ${String(axis)}).`,
    );
  return shape.at(-1) ?? 1;
}

const softmaxKernel =
  (kernel: string, operation: 'softmax' | 'logSoftmax'): KernelFunction =>
  (backend, inputs, attributes) => {
    const logits = floats(kernel, inputs, 'logits');
    const columns = lastAxis(kernel, logits.shape, attributes);
    const [out, values] = backend.output(logits.shape, 'float32', 'any');
    backend.kernels[operation](values, backend.values(logits), columns === 0 ? 0 : values.length / columns, columns);
    return out;
  };

export const reductionKernels: KernelTable = {
  Sum: reductionKernel('Sum', 'sum'),
  Mean: reductionKernel('Mean', 'mean'),
  Max: reductionKernel('Max', 'max'),
  Min: reductionKernel('Min', 'min'),
  Prod: reductionKernel('Prod', 'prod'),
  ArgMax: argKernel('ArgMax', 'argMax'),
  ArgMin: argKernel('ArgMin', 'argMin'),
  All: booleanKernel('All', 1, (a, b) => (a !== 0 && b !== 0 ? 1 : 0)),
  Any: booleanKernel('Any', 0, (a, b) => (a !== 0 || b !== 0 ? 1 : 0)),
  Softmax: softmaxKernel('Softmax', 'softmax'),
  LogSoftmax: softmaxKernel('LogSoftmax', 'logSoftmax'),
};
