import { checkShape, type ExactTensor, sizeOf, tensorType } from '../../backend/tensors.ts';
import { isFloat, type KernelFunction, listOf, required } from '../../backend/kernel.ts';
import {
  expanded,
  paddedShape,
  reshaped,
  resolved,
  sliceBounds,
  splitSizes,
  stridedSliceInfo,
} from '../../backend/kernels/views.ts';
import { stridesOf } from '../../backend/movement.ts';
import { tf } from '../../backend/tf.ts';
import { N } from '../../reference/float.ts';
import type { Floats } from '../inner-operations.ts';
import { type ComposedKernel, type ComposedTable, View } from '../kernel.ts';
import { positionsOf, type Primitives } from '../primitives.ts';
import { onHost } from './elementwise.ts';

// Movement of data. Where the inner backend's own kernel is sure to take a shape it is used; otherwise elements are
// picked by their positions.

/** Axes up to which every backend's slices and transpositions work. */
const maximumAxes = 4;

/** The element at an index is x's at offset + index * strides. */
function rearrange(
  p: Primitives,
  x: Floats,
  shape: readonly number[],
  offset: number,
  strides: readonly number[],
): Floats {
  p.reserve(shape);
  return p.pick(x, positionsOf(shape, offset, strides), shape);
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

const onFloats =
  (kernel: string, name: string, move: (p: Primitives, x: Floats, attributes: never) => Floats): ComposedKernel =>
  (machine, inputs, attributes) => {
    const x = required(inputs, name);
    return isFloat(x) ? move(machine.p, x, attributes as never) : onHost(kernel)(machine, inputs, attributes);
  };

/** Neighbours that stay neighbours move as one axis. */
export function transpose(p: Primitives, x: Floats, perm: readonly number[]): Floats {
  const shape = perm.map((axis) => x.shape[axis] as number);
  const runs: number[][] = [];
  for (const axis of perm) {
    const last = runs.at(-1);
    if (last !== undefined && axis === (last.at(-1) as number) + 1) last.push(axis);
    else runs.push([axis]);
  }
  if (runs.length > maximumAxes + 1) {
    const strides = stridesOf(x.shape);
    return rearrange(
      p,
      x,
      shape,
      0,
      perm.map((axis) => strides[axis] as number),
    );
  }
  const order = [...runs].sort((a, b) => (a[0] as number) - (b[0] as number));
  const merged = order.map((run) => sizeOf(run.map((axis) => x.shape[axis] as number)));
  return p.reshape(
    p.transpose(
      p.reshape(x, merged),
      runs.map((run) => order.indexOf(run)),
    ),
    shape,
  );
}

function slice(p: Primitives, x: Floats, begin: readonly number[], size: readonly number[]): Floats {
  if (x.shape.length <= maximumAxes) return p.slice(x, begin, size);
  const strides = stridesOf(x.shape);
  return rearrange(p, x, size, dot(begin, strides), strides);
}

const stridedSlice: ComposedKernel = (machine, inputs, attributes) => {
  const x = required(inputs, 'x');
  const info = stridedSliceInfo(x, attributes);
  if (info.isIdentity) return new View(x, info.finalShape);
  if (!isFloat(x)) return onHost('StridedSlice')(machine, inputs, attributes);
  const { p } = machine;
  const lengths = tf.slice_util.computeOutShape(info.begin, info.end, info.strides);
  const strides = stridesOf(x.shape);
  const steps = strides.map((stride, axis) => stride * (info.strides[axis] as number));
  const moved = info.strides.every((step) => step === 1)
    ? slice(p, x, info.begin, lengths)
    : rearrange(p, x, lengths, dot(info.begin, strides), steps);
  return p.reshape(moved, info.finalShape);
};

function reverse(p: Primitives, x: Floats, { dims }: { dims: number | number[] }): Floats {
  const axes = (Array.isArray(dims) ? dims : [dims]).map((axis) => resolved(axis, x.shape.length));
  const strides = stridesOf(x.shape);
  const last = x.shape.map((length, axis) => (axes.includes(axis) ? length - 1 : 0));
  const steps = strides.map((stride, axis) => (axes.includes(axis) ? -stride : stride));
  return rearrange(p, x, x.shape, dot(last, strides), steps);
}

/** Each axis becomes two, the repetition and the axis itself, and x is broadcast to them. */
function tile(p: Primitives, x: Floats, { reps }: { reps: number[] }): Floats {
  const times = x.shape.map((_, axis) => reps[axis] ?? 1);
  const shape = x.shape.map((length, axis) => length * (times[axis] as number));
  checkShape(shape);
  p.reserve(shape);
  if (sizeOf(shape) === 0) return p.empty(shape);
  const doubled = p.reshape(
    x,
    x.shape.flatMap((length) => [1, length]),
  );
  return p.reshape(
    p.filled(
      doubled,
      x.shape.flatMap((length, axis) => [times[axis] as number, length]),
    ),
    shape,
  );
}

function pad(
  p: Primitives,
  x: Floats,
  { paddings, constantValue }: { paddings: [number, number][]; constantValue: number },
): Floats {
  let result = x;
  p.reserve(paddedShape(x, { paddings }));
  paddings.forEach((amounts, axis) => {
    const [before, after] = amounts.map((length) =>
      length > 0 ? [p.full(result.shape.with(axis, length), N(constantValue))] : [],
    ) as [Floats[], Floats[]];
    const parts = [...before, ...(sizeOf(result.shape) > 0 ? [result] : []), ...after];
    const shape = result.shape.with(axis, (result.shape[axis] as number) + dot(amounts, [1, 1]));
    if (sizeOf(shape) === 0) result = p.empty(shape);
    else if (parts.length > 1) result = joined(p, parts, axis);
    else result = parts[0] as Floats;
  });
  return result;
}

/** Tensors side by side: rows of what lies before the axis, so that two axes are enough. */
function joined(p: Primitives, parts: readonly Floats[], axis: number): Floats {
  const first = parts[0] as Floats;
  const rows = sizeOf(first.shape.slice(0, axis));
  const flat = parts.map((part) => p.reshape(part, [rows, sizeOf(part.shape.slice(axis))]));
  const length = parts.reduce((sum, part) => sum + (part.shape[axis] as number), 0);
  return p.reshape(p.concat(flat, 1), first.shape.with(axis, length));
}

const concat: ComposedKernel = (machine, inputs, attributes) => {
  const all = listOf(inputs);
  const axis = resolved((attributes as { axis: number }).axis, all[0]?.shape.length ?? 0);
  const parts = all.filter((part) => sizeOf(part.shape) > 0);
  if (parts.length === 1 && parts[0] !== undefined) return new View(parts[0], parts[0].shape);
  if (parts.length === 0 || !parts.every(isFloat)) return onHost('Concat')(machine, inputs, attributes);
  return joined(machine.p, parts, axis);
};

const pack: ComposedKernel = (machine, inputs, attributes) => {
  const parts = listOf(inputs);
  if (!parts.every(isFloat) || parts.some((part) => sizeOf(part.shape) === 0))
    return onHost('Pack')(machine, inputs, attributes);
  const { p } = machine;
  const axis = resolved((attributes as { axis: number }).axis, (parts[0]?.shape.length ?? 0) + 1);
  return joined(
    p,
    parts.map((part) => p.reshape(part, part.shape.toSpliced(axis, 0, 1))),
    axis,
  );
};

/** Parts of these lengths along an axis: [rows, columns] with the axis among the columns. */
function parted(p: Primitives, x: Floats, axis: number, sizes: readonly number[]): Floats[] {
  const rows = sizeOf(x.shape.slice(0, axis));
  const each = sizeOf(x.shape.slice(axis + 1));
  const table = p.reshape(x, [rows, (x.shape[axis] as number) * each]);
  let at = 0;
  return sizes.map((size) => {
    const part = p.slice(table, [0, at * each], [rows, size * each]);
    at += size;
    return p.reshape(part, x.shape.with(axis, size));
  });
}

const unpack: ComposedKernel = ({ p, host }, inputs, attributes) => {
  const x = required(inputs, 'value');
  if (!isFloat(x)) return host.run('Unpack', inputs, attributes);
  const axis = resolved((attributes as { axis: number }).axis, x.shape.length);
  const shape = x.shape.toSpliced(axis, 1);
  const sizes = new Array<number>(x.shape[axis] as number).fill(1);
  return parted(p, x, axis, sizes).map((part) => p.reshape(part, shape));
};

const split: ComposedKernel = ({ p, host }, inputs, attributes) => {
  const x = required(inputs, 'x');
  if (!isFloat(x)) return host.run('SplitV', inputs, attributes);
  const a = attributes as { numOrSizeSplits: number | number[]; axis: number };
  const axis = resolved(a.axis, x.shape.length);
  return parted(p, x, axis, splitSizes(x, a.numOrSizeSplits, axis));
};

const fill: ComposedKernel = (machine, inputs, attributes) => {
  const { shape, value, dtype = 'float32' } = attributes as { shape: number[]; value: number; dtype?: tf.DataType };
  checkShape(shape);
  return tensorType('Fill', dtype) === 'float32'
    ? machine.p.full(shape, N(value))
    : onHost('Fill')(machine, inputs, attributes);
};

const like = (kernel: string, value: 0 | 1): ComposedKernel => onFloats(kernel, 'x', (p, x) => p.full(x.shape, value));

/** Between the same types it is a view; to float and from float to bool it is exact everywhere. */
const cast: ComposedKernel = (machine, inputs, attributes) => {
  const x = required(inputs, 'x');
  const dtype = tensorType('Cast', (attributes as { dtype: tf.DataType }).dtype);
  if (dtype === x.dtype) return new View(x, x.shape);
  const { p } = machine;
  if (sizeOf(x.shape) > 0) {
    if (dtype === 'float32') return p.run('Cast', { x }, { dtype });
    if (isFloat(x) && dtype === 'bool') return p.compare('NotEqual', x, 0);
  }
  return onHost('Cast')(machine, inputs, attributes);
};

/** Numbers of a category that floats hold exactly. */
const maximumDepth = 2 ** 24;

const oneHot: ComposedKernel = (machine, inputs, attributes) => {
  const indices = required(inputs, 'indices') as ExactTensor<'int32'>;
  const { depth, onValue, offValue, dtype } = attributes as {
    depth: number;
    onValue: number;
    offValue: number;
    dtype: tf.DataType;
  };
  const size = sizeOf(indices.shape);
  checkShape([...indices.shape, depth]);
  if (
    tensorType('OneHot', dtype) !== 'float32' ||
    indices.dtype !== 'int32' ||
    size * depth === 0 ||
    depth > maximumDepth
  )
    return onHost('OneHot')(machine, inputs, attributes);
  const { p } = machine;
  const numbers = p.reshape(p.run('Cast', { x: indices }, { dtype: 'float32' }), [size, 1]);
  const categories = p.upload(
    Float32Array.from({ length: depth }, (_, i) => i),
    [depth],
    'float32',
  );
  const hot = p.select(p.compare('Equal', numbers, categories), N(onValue), N(offValue));
  return p.reshape(hot, [...indices.shape, depth]);
};

/** Views: what they are does not depend on the type. */
const view =
  (name: string, shape: (x: ExactTensor, attributes: Parameters<KernelFunction>[2]) => number[]): ComposedKernel =>
  (_, inputs, attributes) => {
    const x = required(inputs, name);
    return new View(x, shape(x, attributes));
  };

export const viewKernels: ComposedTable = {
  Identity: view('x', (x) => x.shape),
  Reshape: view('x', reshaped),
  ExpandDims: view('input', expanded),
  Cast: cast,
  Transpose: onFloats('Transpose', 'x', (p, x, { perm }: { perm: number[] }) => transpose(p, x, perm)),
  Slice: onFloats('Slice', 'x', (p, x, attributes: never) => slice(p, x, ...sliceBounds(x, attributes))),
  StridedSlice: stridedSlice,
  Reverse: onFloats('Reverse', 'x', reverse),
  Tile: onFloats('Tile', 'x', tile),
  PadV2: onFloats('PadV2', 'x', pad),
  Concat: concat,
  Pack: pack,
  Unpack: unpack,
  SplitV: split,
  Fill: fill,
  ZerosLike: like('ZerosLike', 0),
  OnesLike: like('OnesLike', 1),
  Range: onHost('Range'),
  OneHot: oneHot,
};
