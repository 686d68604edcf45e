import { UnsupportedArgumentError } from '../../errors.ts';
import { N } from '../../reference/float.ts';
import type { ExactBackend } from '../exact-backend.ts';
import { checkShape, type ExactTensor, sizeOf, tensorType, type TensorType } from '../tensors.ts';
import { type Attributes, type KernelFunction, type KernelTable, listOf, required } from '../kernel.ts';
import { moveElements, stridesOf } from '../movement.ts';
import { tf } from '../tf.ts';

// Plain movement of data: no bit changes.

/** An axis counted from the front. */
export const resolved = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** @throws UnsupportedArgumentError if x has no such shape */
export function reshaped(x: ExactTensor, attributes: Attributes): number[] {
  const { shape } = attributes as { shape: number[] };
  const size = sizeOf(x.shape);
  const known = sizeOf(shape.filter((length) => length !== -1));
  const wanted = shape.map((length) => (length === -1 ? size / known : length));
  if (sizeOf(wanted) !== size)
    throw new UnsupportedArgumentError('Reshape', `[${x.shape.join(', ')}] has no shape [${shape.join(', ')}].`);
  return wanted;
}

export function expanded(x: ExactTensor, attributes: Attributes): number[] {
  const { dim } = attributes as { dim: number };
  const axis = dim < 0 ? x.shape.length + dim + 1 : dim;
  return x.shape.toSpliced(axis, 0, 1);
}

/** §2: to int32 truncates and saturates. A NaN, which only a constant can be, is 0. */
export function convert(value: number, to: TensorType): number {
  if (to === 'float32') return Math.fround(value);
  if (Number.isNaN(value)) return 0;
  if (to === 'bool') return value === 0 ? 0 : 1;
  return Math.min(Math.max(Math.trunc(value), -(2 ** 31)), 2 ** 31 - 1);
}

/** §2: a constant that an attribute gives, as an element. */
const constant = (value: number, type: TensorType): number => (type === 'float32' ? N(value) : convert(value, type));

const cast: KernelFunction = (backend, inputs, attributes) => {
  const x = required(inputs, 'x');
  const dtype = tensorType('Cast', (attributes as { dtype: tf.DataType }).dtype);
  if (dtype === x.dtype) return backend.view(x, x.shape);
  const [out, values] = backend.output(x.shape, dtype);
  const source = backend.values(x);
  for (let i = 0; i < source.length; i++) values[i] = convert(source[i] as number, dtype);
  return out;
};

const transpose: KernelFunction = (backend, inputs, attributes) => {
  const x = required(inputs, 'x');
  const { perm } = attributes as { perm: number[] };
  const shape = perm.map((axis) => x.shape[axis] as number);
  const strides = stridesOf(x.shape);
  return rearrange(
    backend,
    'Transpose',
    x,
    shape,
    0,
    perm.map((axis) => strides[axis] as number),
  );
};

/** A new tensor whose element at an index is x's at offset + index * strides. */
function rearrange(
  backend: ExactBackend,
  kernel: string,
  x: ExactTensor,
  shape: number[],
  xOffset: number,
  xStrides: number[],
): ExactTensor {
  const [out, values] = backend.output(shape, x.dtype, 'any');
  moveElements(backend, kernel, values, backend.values(x), {
    ...{ shape, outOffset: 0, outStrides: stridesOf(shape), xOffset, xStrides },
  });
  return out;
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

function sliceOf(backend: ExactBackend, kernel: string, x: ExactTensor, begin: number[], size: number[]): ExactTensor {
  const strides = stridesOf(x.shape);
  return rearrange(backend, kernel, x, size, dot(begin, strides), strides);
}

/** Where a slice starts and how long it is. @throws UnsupportedArgumentError if it leaves x */
export function sliceBounds(x: ExactTensor, attributes: Attributes): [begin: number[], size: number[]] {
  const { begin, size } = attributes as { begin: number[]; size: number[] };
  const [start, lengths] = tf.slice_util.parseSliceParams(x as unknown as tf.TensorInfo, begin, size) as [
    number[],
    number[],
  ];
  start.forEach((from, axis) => {
    if (from < 0 || from + (lengths[axis] as number) > (x.shape[axis] as number))
      throw new UnsupportedArgumentError(
        'Slice',
        `begin [${begin.join(', ')}] and size [${size.join(', ')}] leave the shape [${x.shape.join(', ')}].`,
      );
  });
  return [start, lengths];
}

const slice: KernelFunction = (backend, inputs, attributes) => {
  const x = required(inputs, 'x');
  return sliceOf(backend, 'Slice', x, ...sliceBounds(x, attributes));
};

export function stridedSliceInfo(x: ExactTensor, attributes: Attributes) {
  const a = attributes as unknown as {
    begin: number[];
    end: number[];
    strides: number[];
    beginMask: number;
    endMask: number;
    ellipsisMask: number;
    newAxisMask: number;
    shrinkAxisMask: number;
  };
  return tf.slice_util.sliceInfo(
    x.shape,
    a.begin,
    a.end,
    a.strides,
    a.beginMask,
    a.endMask,
    a.ellipsisMask,
    a.newAxisMask,
    a.shrinkAxisMask,
  );
}

const stridedSlice: KernelFunction = (backend, inputs, attributes) => {
  const x = required(inputs, 'x');
  const info = stridedSliceInfo(x, attributes);
  if (info.isIdentity) return backend.view(x, info.finalShape);
  const strides = stridesOf(x.shape);
  const lengths = tf.slice_util.computeOutShape(info.begin, info.end, info.strides);
  const steps = strides.map((stride, axis) => stride * (info.strides[axis] as number));
  const out = rearrange(backend, 'StridedSlice', x, lengths, dot(info.begin, strides), steps);
  return { ...out, shape: info.finalShape };
};

const reverse: KernelFunction = (backend, inputs, attributes) => {
  const x = required(inputs, 'x');
  const { dims } = attributes as { dims: number | number[] };
  const axes = (Array.isArray(dims) ? dims : [dims]).map((axis) => resolved(axis, x.shape.length));
  const strides = stridesOf(x.shape);
  const last = x.shape.map((length, axis) => (axes.includes(axis) ? length - 1 : 0));
  const steps = strides.map((stride, axis) => (axes.includes(axis) ? -stride : stride));
  return rearrange(backend, 'Reverse', x, x.shape, dot(last, strides), steps);
};

const tile: KernelFunction = (backend, inputs, attributes) => {
  const x = required(inputs, 'x');
  const { reps } = attributes as { reps: number[] };
  const repeated = x.shape.map((length, axis) => length * (reps[axis] ?? 1));
  checkShape(repeated);
  const strides = stridesOf(x.shape);
  // Each axis becomes two: the repetition, which does not move in x, and the axis itself.
  const shape = x.shape.flatMap((length, axis) => [reps[axis] ?? 1, length]);
  const xStrides = strides.flatMap((stride) => [0, stride]);
  const out = rearrange(backend, 'Tile', x, shape, 0, xStrides);
  return { ...out, shape: repeated };
};

/** A shape with its paddings. @throws UnsupportedArgumentError unless there are two for each axis, integers from 0 */
export function paddedShape(x: ExactTensor, attributes: Attributes): number[] {
  const { paddings } = attributes as { paddings: number[][] };
  const isPair = (pair: number[]): boolean => pair.length === 2 && pair.every((n) => Number.isInteger(n) && n >= 0);
  if (paddings.length !== x.shape.length || !paddings.every(isPair))
    throw new UnsupportedArgumentError(
      'PadV2',
      `paddings is ${JSON.stringify(paddings)}; it must be two integers from 0 for each of the ${String(x.shape.length)} axes. Slice to make a tensor smaller.`,
    );
  const shape = x.shape.map((length, axis) => length + dot(paddings[axis] as number[], [1, 1]));
  checkShape(shape);
  return shape;
}

const pad: KernelFunction = (backend, inputs, attributes) => {
  const x = required(inputs, 'x');
  const { paddings, constantValue } = attributes as { paddings: [number, number][]; constantValue: number };
  const shape = paddedShape(x, attributes);
  const [out, values] = backend.output(shape, x.dtype);
  const fill = constant(constantValue, x.dtype);
  if (fill !== 0) values.fill(fill);
  const outStrides = stridesOf(shape);
  moveElements(backend, 'PadV2', values, backend.values(x), {
    ...{ shape: x.shape, xOffset: 0, xStrides: stridesOf(x.shape), outStrides },
    outOffset: dot(
      paddings.map(([before]) => before),
      outStrides,
    ),
  });
  return out;
};

/** Tensors side by side along an axis that each of them has. */
function concatenate(backend: ExactBackend, kernel: string, parts: ExactTensor[], axis: number): ExactTensor {
  const first = parts[0];
  if (first === undefined) throw new UnsupportedArgumentError(kernel, 'it takes one or more tensors.');
  const lengths = parts.map((part) => part.shape[axis] as number);
  const shape = first.shape.with(
    axis,
    lengths.reduce((sum, length) => sum + length, 0),
  );
  const [out, values] = backend.output(shape, first.dtype);
  const outStrides = stridesOf(shape);
  let at = 0;
  for (const part of parts) {
    if (part.dtype !== first.dtype)
      throw new UnsupportedArgumentError(
        kernel,
        `it does not join ${first.dtype} and ${part.dtype}; cast one of them.`,
      );
    moveElements(backend, kernel, values, backend.values(part), {
      ...{ shape: part.shape, xOffset: 0, xStrides: stridesOf(part.shape), outStrides },
      outOffset: at * (outStrides[axis] as number),
    });
    at += part.shape[axis] as number;
  }
  return out;
}

const concat: KernelFunction = (backend, inputs, attributes) => {
  const all = listOf(inputs);
  const axis = resolved((attributes as { axis: number }).axis, all[0]?.shape.length ?? 0);
  const parts = all.filter((part) => sizeOf(part.shape) > 0);
  if (parts.length === 1 && parts[0] !== undefined) return backend.view(parts[0], parts[0].shape);
  return concatenate(backend, 'Concat', parts.length === 0 ? all : parts, axis);
};

const pack: KernelFunction = (backend, inputs, attributes) => {
  const parts = listOf(inputs);
  const rank = (parts[0]?.shape.length ?? 0) + 1;
  const axis = resolved((attributes as { axis: number }).axis, rank);
  const widened = parts.map((part) => ({ ...part, shape: part.shape.toSpliced(axis, 0, 1) }));
  return concatenate(backend, 'Pack', widened, axis);
};

const unpack: KernelFunction = (backend, inputs, attributes) => {
  const x = required(inputs, 'value');
  const axis = resolved((attributes as { axis: number }).axis, x.shape.length);
  return Array.from({ length: x.shape[axis] as number }, (_, index) => {
    const begin = x.shape.map((_, other) => (other === axis ? index : 0));
    const part = sliceOf(backend, 'Unpack', x, begin, x.shape.with(axis, 1));
    return { ...part, shape: x.shape.toSpliced(axis, 1) };
  });
};

/** Lengths of the parts of an axis. @throws UnsupportedArgumentError unless they are integers from 0 that make up the axis */
export function splitSizes(x: ExactTensor, numOrSizeSplits: number | number[], axis: number): number[] {
  const sizes = tf.backend_util.prepareSplitSize(x as unknown as tf.Tensor, numOrSizeSplits, axis);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total !== x.shape[axis] || !sizes.every((size) => Number.isInteger(size) && size >= 0))
    throw new UnsupportedArgumentError(
      'SplitV',
      `the parts have the lengths ${JSON.stringify(sizes)}; they must be integers from 0 and add up to ${String(x.shape[axis])}.`,
    );
  return sizes;
}

const split: KernelFunction = (backend, inputs, attributes) => {
  const x = required(inputs, 'x');
  const a = attributes as { numOrSizeSplits: number | number[]; axis: number };
  const axis = resolved(a.axis, x.shape.length);
  const sizes = splitSizes(x, a.numOrSizeSplits, axis);
  let at = 0;
  return sizes.map((size) => {
    const part = sliceOf(
      backend,
      'SplitV',
      x,
      x.shape.map((_, other) => (other === axis ? at : 0)),
      x.shape.with(axis, size),
    );
    at += size;
    return part;
  });
};

const fill: KernelFunction = (backend, _, attributes) => {
  const { shape, value, dtype = 'float32' } = attributes as { shape: number[]; value: number; dtype?: tf.DataType };
  const type = tensorType('Fill', dtype);
  const [out, values] = backend.output(shape, type);
  values.fill(constant(value, type));
  return out;
};

const like =
  (value: 0 | 1): KernelFunction =>
  (backend, inputs) => {
    const x = required(inputs, 'x');
    const [out, values] = backend.output(x.shape, x.dtype);
    if (value !== 0) values.fill(value);
    return out;
  };

const range: KernelFunction = (backend, _, attributes) => {
  const { start, stop, step, dtype } = attributes as { start: number; stop: number; step: number; dtype: tf.DataType };
  const type = tensorType('Range', dtype);
  const length = step === 0 || (stop - start) / step <= 0 ? 0 : Math.abs(Math.ceil((stop - start) / step));
  const [out, values] = backend.output([length], type);
  for (let i = 0; i < length; i++) values[i] = constant(start + i * step, type);
  return out;
};

const oneHot: KernelFunction = (backend, inputs, attributes) => {
  const indices = required(inputs, 'indices');
  const { depth, onValue, offValue, dtype } = attributes as {
    depth: number;
    onValue: number;
    offValue: number;
    dtype: tf.DataType;
  };
  const type = tensorType('OneHot', dtype);
  const [out, values] = backend.output([...indices.shape, depth], type);
  const off = constant(offValue, type);
  if (off !== 0) values.fill(off);
  const on = constant(onValue, type);
  backend.values(indices).forEach((index, row) => {
    if (index >= 0 && index < depth) values[row * depth + index] = on;
  });
  return out;
};

export const viewKernels: KernelTable = {
  Identity: (backend, inputs) => {
    const x = required(inputs, 'x');
    return backend.view(x, x.shape);
  },
  Reshape: (backend, inputs, attributes) => {
    const x = required(inputs, 'x');
    return backend.view(x, reshaped(x, attributes));
  },
  ExpandDims: (backend, inputs, attributes) => {
    const x = required(inputs, 'input');
    return backend.view(x, expanded(x, attributes));
  },
  Cast: cast,
  Transpose: transpose,
  Slice: slice,
  StridedSlice: stridedSlice,
  Reverse: reverse,
  Tile: tile,
  PadV2: pad,
  Concat: concat,
  Pack: pack,
  Unpack: unpack,
  SplitV: split,
  Fill: fill,
  ZerosLike: like(0),
  OnesLike: like(1),
  Range: range,
  OneHot: oneHot,
};
