// Movement of data. What affine strides can say costs no operation.
import { elementsOf } from '@cotrain/protocol';
import { sourcePixels, refuseCentres } from '../backend/kernels/resizing.ts';
import { gatherShape } from '../backend/kernels/rows.ts';
import { resolved, sliceBounds, stridedSliceInfo } from '../backend/kernels/views.ts';
import { tf } from '../backend/tf.ts';
import { bitsAs, type OperandSpec, type ProgramBuilder } from './builder.ts';
import { convert } from '../backend/kernels/views.ts';
import { N } from '../reference/float.ts';
import { input, type Lowering, shapeOnly } from './lowering.ts';
import { segmentSum } from './lower-segments.ts';
import { permuted, type Source } from './source.ts';

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** The part of a source that begins at an index. */
function part(builder: ProgramBuilder, x: Source, begin: readonly number[], shape: readonly number[]): Source {
  return { ...builder.moved(x, dot(begin, x.strides)), shape };
}

const transpose: Lowering = (call) => permuted(input(call, 0), (call.attributes as { perm: number[] }).perm);

const slice: Lowering = (call) => {
  const { builder, operation, attributes } = call;
  const [begin, size] = sliceBounds(shapeOnly(operation.inputs[0] as (typeof operation.inputs)[0]), attributes);
  return part(builder, input(call, 0), begin, size);
};

const stridedSlice: Lowering = (call) => {
  const { builder, operation, attributes, outShape } = call;
  const x = input(call, 0);
  const info = stridedSliceInfo(shapeOnly(operation.inputs[0] as (typeof operation.inputs)[0]), attributes);
  const shape = tf.slice_util.computeOutShape(info.begin, info.end, info.strides);
  const strides = x.strides.map((stride, axis) => stride * (info.strides[axis] as number));
  return builder.reshape({ ...part(builder, x, info.begin, shape), strides }, outShape);
};

const reverse: Lowering = (call) => {
  const x = input(call, 0);
  const { dims } = call.attributes as { dims: number | number[] };
  const axes = (Array.isArray(dims) ? dims : [dims]).map((axis) => resolved(axis, x.shape.length));
  const last = x.shape.map((length, axis) => (axes.includes(axis) ? length - 1 : 0));
  const strides = x.strides.map((stride, axis) => (axes.includes(axis) ? -stride : stride));
  return { ...part(call.builder, x, last, x.shape), strides };
};

const tile: Lowering = (call) => {
  const x = input(call, 0);
  const { reps } = call.attributes as { reps: number[] };
  const shape = x.shape.flatMap((length, axis) => [reps[axis] ?? 1, length]);
  return call.builder.reshape({ ...x, shape, strides: x.strides.flatMap((stride) => [0, stride]) }, call.outShape);
};

/** An operand that has elements only where an axis is from `first` to below `first + length`. */
function along(source: Source, axis: number, first: number): OperandSpec {
  return {
    source,
    strides: source.strides.with(axis, 0),
    windows: [
      {
        ...{ axisA: axis, axisB: null, factorA: 1, factorB: 0, offset: -first, dilation: 1 },
        ...{ limit: source.shape[axis] as number, stride: source.strides[axis] as number },
      },
    ],
  };
}

const pad: Lowering = (call) => {
  const { builder } = call;
  const { paddings, constantValue } = call.attributes as { paddings: [number, number][]; constantValue: number };
  return paddings.reduce(
    (current, [before, after], axis) => {
      if (before === 0 && after === 0) return current;
      const shape = current.shape.with(axis, (current.shape[axis] as number) + before + after);
      const parameters = [bitsAs(current.type, constantValue)];
      return builder.emit('move', current.type, shape, [along(current, axis, before)], { parameters });
    },
    input(call, 0),
  );
};

/** Sources side by side along an axis that each of them has; four to an operation. */
function concatenate(builder: ProgramBuilder, parts: readonly Source[], axis: number): Source {
  if (parts.length === 1) return parts[0] as Source;
  const joined: Source[] = [];
  for (let first = 0; first < parts.length; first += 4) {
    const group = parts.slice(first, first + 4);
    let at = 0;
    const operands = group.map((source) => {
      const operand = along(source, axis, at);
      at += source.shape[axis] as number;
      return operand;
    });
    const [some] = group as [Source];
    joined.push(group.length === 1 ? some : builder.emit('move', some.type, some.shape.with(axis, at), operands));
  }
  return concatenate(builder, joined, axis);
}

const concat: Lowering = (call) => {
  const axis = resolved((call.attributes as { axis: number }).axis, input(call, 0).shape.length);
  return concatenate(call.builder, call.inputs, axis);
};

const pack: Lowering = (call) => {
  const axis = resolved((call.attributes as { axis: number }).axis, input(call, 0).shape.length + 1);
  const widened = call.inputs.map((source) => ({
    ...source,
    shape: source.shape.toSpliced(axis, 0, 1),
    strides: source.strides.toSpliced(axis, 0, 0),
  }));
  return concatenate(call.builder, widened, axis);
};

const unpack: Lowering = (call) => {
  const x = input(call, 0);
  const axis = resolved((call.attributes as { axis: number }).axis, x.shape.length);
  return Array.from({ length: x.shape[axis] as number }, (_, index) => ({
    ...call.builder.moved(x, index * (x.strides[axis] as number)),
    shape: x.shape.toSpliced(axis, 1),
    strides: x.strides.toSpliced(axis, 1),
  }));
};

const split: Lowering = (call) => {
  const x = input(call, 0);
  const axis = resolved((call.attributes as { axis: number }).axis, x.shape.length);
  let at = 0;
  return call.operation.outputs.map(({ shape }) => {
    const piece = { ...call.builder.moved(x, at * (x.strides[axis] as number)), shape };
    at += shape[axis] as number;
    return piece;
  });
};

const gather: Lowering = (call) => {
  const { builder, operation, attributes, outShape } = call;
  const [first, second] = operation.inputs as [(typeof operation.inputs)[0], (typeof operation.inputs)[0]];
  const { batchSize, outerSize, dimSize, sliceSize } = gatherShape(shapeOnly(first), shapeOnly(second), attributes);
  const x = builder.stored(input(call, 0));
  const indices = builder.dense(input(call, 1));
  const perBatch = elementsOf(indices.shape) / batchSize;
  const table = dimSize * sliceSize;
  const moved = builder.emit(
    'move',
    x.type,
    [batchSize, outerSize, perBatch, sliceSize],
    [
      {
        ...{ source: x, strides: [outerSize * table, table, 0, 1] },
        gather: { operand: 1, stride: sliceSize, limit: dimSize },
      },
      { source: indices, strides: indices.space === 'immediate' ? [0, 0, 0, 0] : [perBatch, 0, 1, 0] },
    ],
  );
  return builder.reshape(moved, outShape);
};

const resize: Lowering = (call) => {
  const { builder, attributes, outShape } = call;
  refuseCentres('ResizeNearestNeighbor', attributes);
  const x = builder.stored(input(call, 0));
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const pixels = sourcePixels(x.shape, outShape, new Int32Array(elementsOf(outShape.slice(1, 3))));
  const indices = builder.constant(pixels, [pixels.length]);
  const moved = builder.emit(
    'move',
    'float32',
    [batch, pixels.length, channels],
    [
      {
        ...{ source: x, strides: [height * width * channels, 0, 1] },
        gather: { operand: 1, stride: channels, limit: height * width },
      },
      { source: indices, strides: [0, indices.strides[0] ?? 0, 0] },
    ],
  );
  return builder.reshape(moved, outShape);
};

const resizeGradient: Lowering = (call) => {
  const { builder, attributes, outShape } = call;
  refuseCentres('ResizeNearestNeighborGrad', attributes);
  // TensorFlow.js names dy before the images.
  const dy = input(call, 0);
  const [batch, outHeight, outWidth, channels] = dy.shape as [number, number, number, number];
  const each = elementsOf(outShape.slice(1, 3));
  const pixels = sourcePixels(outShape, dy.shape, new Int32Array(outHeight * outWidth));
  const ids = Int32Array.from({ length: batch * pixels.length }, (_, i) => {
    const image = Math.floor(i / pixels.length);
    return image * each + (pixels[i % pixels.length] as number);
  });
  const rows = builder.reshape(dy, [ids.length, channels]);
  return builder.reshape(segmentSum(builder, rows, builder.constant(ids, [ids.length]), batch * each), outShape);
};

const fill: Lowering = ({ builder, attributes, outShape, outType }) => {
  const { value } = attributes as { value: number };
  return builder.immediate(outType, value, outShape);
};

const range: Lowering = ({ builder, attributes, outShape, outType }) => {
  const { start, step } = attributes as { start: number; step: number };
  const count = elementsOf(outShape);
  const values = Array.from({ length: count }, (_, i) => start + i * step);
  if (outType === 'float32') return builder.constant(Float32Array.from(values, N), outShape);
  const type = outType === 'uint8' ? 'bool' : 'int32';
  const converted = values.map((value) => convert(value, type));
  return builder.constant(type === 'bool' ? Uint8Array.from(converted) : Int32Array.from(converted), outShape);
};

const like =
  (value: 0 | 1): Lowering =>
  ({ builder, outShape, outType }) =>
    builder.immediate(outType, value, outShape);

export const viewLowerings: Readonly<Record<string, Lowering>> = {
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
  GatherV2: gather,
  ResizeNearestNeighbor: resize,
  ResizeNearestNeighborGrad: resizeGradient,
  Fill: fill,
  ZerosLike: like(0),
  OnesLike: like(1),
  Range: range,
  UnsortedSegmentSum: (call) => {
    const { numSegments } = call.attributes as { numSegments: number };
    const x = input(call, 0);
    const width = elementsOf(x.shape.slice(1));
    const rows = call.builder.reshape(x, [x.shape[0] as number, width]);
    return call.builder.reshape(segmentSum(call.builder, rows, input(call, 1), numSegments), call.outShape);
  },
};
