// Convolutions (§8) and pooling (§9).
import { elementsOf, type IndexWindow } from '@cotrain/protocol';
import { geometryOf, inputGradientGeometry, type Shape4 } from '../backend/kernels/convolutions.ts';
import { poolGeometryOf } from '../backend/kernels/pooling.ts';
import type { ConvolutionGeometry, PoolGeometry } from '../kernels.ts';
import type { ProgramBuilder } from './builder.ts';
import { type Call, input, type Lowering } from './lowering.ts';
import { finish } from './lower-elementwise.ts';
import { contraction } from './lower-lists.ts';
import { permuted, type Source } from './source.ts';

/** Axes of a domain that say where a window and a position in it are. */
interface WindowAxes {
  outY: number;
  outX: number;
  filterY: number;
  filterX: number;
}

type Spread = Pick<
  ConvolutionGeometry,
  'strideHeight' | 'strideWidth' | 'dilationHeight' | 'dilationWidth' | 'padTop' | 'padLeft' | 'inHeight' | 'inWidth'
>;

/** The pixel that a window sees: outY * stride + filterY * dilation - pad, if it lies inside. */
function seen(
  g: Spread & { inputDilationHeight?: number; inputDilationWidth?: number },
  axes: WindowAxes,
  strides: { y: number; x: number },
): IndexWindow[] {
  return [
    {
      ...{ axisA: axes.outY, axisB: axes.filterY, factorA: g.strideHeight, factorB: g.dilationHeight },
      ...{ offset: -g.padTop, dilation: g.inputDilationHeight ?? 1, limit: g.inHeight, stride: strides.y },
    },
    {
      ...{ axisA: axes.outX, axisB: axes.filterX, factorA: g.strideWidth, factorB: g.dilationWidth },
      ...{ offset: -g.padLeft, dilation: g.inputDilationWidth ?? 1, limit: g.inWidth, stride: strides.x },
    },
  ];
}

function isPointwise(g: ConvolutionGeometry): boolean {
  return (
    g.filterHeight === 1 &&
    g.filterWidth === 1 &&
    g.strideHeight === 1 &&
    g.strideWidth === 1 &&
    g.padTop === 0 &&
    g.padLeft === 0 &&
    g.inHeight === g.outHeight &&
    g.inWidth === g.outWidth
  );
}

/** Patches as rows: [batch * outHeight * outWidth, filterHeight * filterWidth * inChannels]. */
function patches(builder: ProgramBuilder, x: Source, g: ConvolutionGeometry): Source {
  const rows = g.batch * g.outHeight * g.outWidth;
  if (isPointwise(g)) return builder.reshape(x, [rows, g.inChannels]);
  const shape = [g.batch, g.outHeight, g.outWidth, g.filterHeight, g.filterWidth, g.inChannels];
  return builder.reshape(moved(builder, x, g, shape, [0, 1, 2, 3, 4, 5]), [rows, elementsOf(shape.slice(3))]);
}

/** Patches as columns: the same turned round. */
function patchColumns(builder: ProgramBuilder, x: Source, g: ConvolutionGeometry): Source {
  const columns = g.batch * g.outHeight * g.outWidth;
  if (isPointwise(g)) return permuted(builder.reshape(x, [columns, g.inChannels]), [1, 0]);
  const shape = [g.filterHeight, g.filterWidth, g.inChannels, g.batch, g.outHeight, g.outWidth];
  return builder.reshape(moved(builder, x, g, shape, [3, 4, 5, 0, 1, 2]), [elementsOf(shape.slice(0, 3)), columns]);
}

/** @param axes where batch, outY, outX, filterY, filterX and channel are in the shape */
function moved(
  builder: ProgramBuilder,
  x: Source,
  g: ConvolutionGeometry,
  shape: readonly number[],
  [batch, outY, outX, filterY, filterX, channel]: [number, number, number, number, number, number],
): Source {
  const [xBatch, y, across, xChannel] = x.strides as Shape4;
  const strides = new Array<number>(6).fill(0).with(batch, xBatch).with(channel, xChannel);
  const windows = seen(g, { outY, outX, filterY, filterX }, { y, x: across });
  return builder.emit('move', x.type, shape, [{ source: x, strides, windows }]);
}

const only = (source: Source): Source => ({ ...source, shape: [1, ...source.shape], strides: [0, ...source.strides] });

/** @param columns the filter as [outChannels, filterHeight * filterWidth * inChannels] */
function convolve(builder: ProgramBuilder, x: Source, columns: Source, g: ConvolutionGeometry): Source {
  const product = contraction(builder, only(patches(builder, x, g)), only(columns));
  return builder.reshape(product, [g.batch, g.outHeight, g.outWidth, g.outChannels]);
}

function filterColumns(builder: ProgramBuilder, filter: Source): Source {
  const [height, width, inChannels, outChannels] = filter.shape as Shape4;
  return permuted(builder.reshape(filter, [height * width * inChannels, outChannels]), [1, 0]);
}

/** §8: the filter turned round, as columns for the gradient of the input: [inChannels, height * width * outChannels]. */
function turnedColumns(builder: ProgramBuilder, filter: Source): Source {
  const [height, width, inChannels, outChannels] = filter.shape as Shape4;
  const [y, x, i, o] = filter.strides as Shape4;
  const turned = {
    ...builder.moved(filter, (height - 1) * y + (width - 1) * x),
    shape: [inChannels, height, width, outChannels],
    strides: [i, -y, -x, o],
  };
  return builder.reshape(turned, [inChannels, height * width * outChannels]);
}

function convolution(call: Call): Source {
  const [x, filter] = [input(call, 0), input(call, 1)];
  const g = geometryOf(call.operation.opcode, x.shape, filter.shape, call.attributes);
  return convolve(call.builder, x, filterColumns(call.builder, filter), g);
}

const inputGradient: Lowering = (call) => {
  const [dy, filter] = [input(call, 0), input(call, 1)];
  const { inputShape } = call.attributes as { inputShape: Shape4 };
  const g = geometryOf(call.operation.opcode, inputShape, filter.shape, call.attributes);
  return convolve(call.builder, dy, turnedColumns(call.builder, filter), inputGradientGeometry(g));
};

const filterGradient: Lowering = (call) => {
  const { builder } = call;
  const [x, dy] = [input(call, 0), input(call, 1)];
  const { filterShape } = call.attributes as { filterShape: Shape4 };
  const g = geometryOf(call.operation.opcode, x.shape, filterShape, call.attributes);
  const columns = permuted(builder.reshape(dy, [g.batch * g.outHeight * g.outWidth, g.outChannels]), [1, 0]);
  return builder.reshape(contraction(builder, only(patchColumns(builder, x, g)), only(columns)), filterShape);
};

// Depthwise: a batch of convolutions of one input channel each.

/** Channel by channel: [channels, ...the rest], of [..., channels]. */
function channelsFirst(builder: ProgramBuilder, source: Source, shape: readonly number[]): Source {
  const split = builder.reshape(source, shape);
  const axes = shape.map((_, axis) => axis);
  // The channel's axis is the one before the multiplier's.
  const channel = shape.length - 2;
  return permuted(split, [channel, ...axes.filter((axis) => axis !== channel)]);
}

interface Depthwise {
  g: ConvolutionGeometry;
  multiplier: number;
  positions: number;
  filterSize: number;
}

function depthwiseOf(call: Call, xShape: readonly number[], filterShape: readonly number[]): Depthwise {
  const g = geometryOf(call.operation.opcode, xShape, filterShape, call.attributes, true);
  const multiplier = g.outChannels / g.inChannels;
  const [positions, filterSize] = [g.batch * g.outHeight * g.outWidth, g.filterHeight * g.filterWidth];
  return { g, multiplier, positions, filterSize };
}

/** [channels, positions, filterSize] of a batch of images. */
function depthwisePatches(builder: ProgramBuilder, x: Source, { g, positions, filterSize }: Depthwise): Source {
  const shape = [g.inChannels, g.batch, g.outHeight, g.outWidth, g.filterHeight, g.filterWidth];
  return builder.reshape(moved(builder, x, g, shape, [1, 2, 3, 4, 5, 0]), [g.inChannels, positions, filterSize]);
}

function depthwise(call: Call): Source {
  const { builder } = call;
  const [x, filter] = [input(call, 0), input(call, 1)];
  const d = depthwiseOf(call, x.shape, filter.shape);
  const { g, multiplier, filterSize } = d;
  const columns = permuted(channelsFirst(builder, filter, [filterSize, g.inChannels, multiplier]), [0, 2, 1]);
  const product = contraction(builder, depthwisePatches(builder, x, d), columns);
  return builder.reshape(permuted(product, [1, 0, 2]), [g.batch, g.outHeight, g.outWidth, g.outChannels]);
}

const depthwiseFilterGradient: Lowering = (call) => {
  const { builder } = call;
  const [x, dy] = [input(call, 0), input(call, 1)];
  const { filterShape } = call.attributes as { filterShape: Shape4 };
  const { g, multiplier, positions, filterSize } = depthwiseOf(call, x.shape, filterShape);
  const shape = [g.inChannels, g.filterHeight, g.filterWidth, g.batch, g.outHeight, g.outWidth];
  const columns = builder.reshape(moved(builder, x, g, shape, [3, 4, 5, 1, 2, 0]), [
    ...[g.inChannels, filterSize, positions],
  ]);
  const errors = permuted(channelsFirst(builder, dy, [positions, g.inChannels, multiplier]), [0, 2, 1]);
  return builder.reshape(permuted(contraction(builder, columns, errors), [1, 0, 2]), filterShape);
};

const depthwiseInputGradient: Lowering = (call) => {
  const { builder } = call;
  const [dy, filter] = [input(call, 0), input(call, 1)];
  const { inputShape } = call.attributes as { inputShape: Shape4 };
  const { g, multiplier } = depthwiseOf(call, inputShape, filter.shape);
  const { filterHeight, filterWidth, inChannels } = g;
  // A channel's outputs are the input channels of its own convolution; patches of it are [filterY, filterX, multiplier].
  const turned = inputGradientGeometry({ ...g, inChannels: 1, outChannels: multiplier });
  const parts = Array.from({ length: inChannels }, (_, channel) => {
    const [n, y, x, c] = dy.strides as Shape4;
    const [fy, fx, fi, fm] = filter.strides as Shape4;
    const own = {
      ...builder.moved(dy, channel * multiplier * c),
      ...{ shape: [...dy.shape.slice(0, 3), multiplier], strides: [n, y, x, c] },
    };
    const kernel = {
      ...builder.moved(filter, channel * fi),
      ...{ shape: [filterHeight, filterWidth, 1, multiplier], strides: [fy, fx, 0, fm] },
    };
    return convolve(builder, own, turnedColumns(builder, kernel), turned);
  });
  return joinChannels(builder, parts);
};

/** Images of one channel each side by side. */
function joinChannels(builder: ProgramBuilder, parts: readonly Source[]): Source {
  let current = [...parts];
  while (current.length > 1) {
    const joined: Source[] = [];
    for (let first = 0; first < current.length; first += 4) {
      const group = current.slice(first, first + 4);
      let at = 0;
      const operands = group.map((source) => {
        const [channels, stride] = [source.shape[3] as number, source.strides[3] as number];
        const windows = [
          {
            ...{ axisA: 3, axisB: null, factorA: 1, factorB: 0, offset: -at, dilation: 1 },
            ...{ limit: channels, stride: channels === 1 ? 0 : stride },
          },
        ];
        at += channels;
        return { source, strides: source.strides.with(3, 0), windows };
      });
      const [some] = group as [Source];
      joined.push(builder.emit('move', some.type, some.shape.with(3, at), operands));
    }
    current = joined;
  }
  return current[0] as Source;
}

// Pooling.

function poolOf(call: Call, xShape: readonly number[]): PoolGeometry {
  return poolGeometryOf(call.operation.opcode, xShape, call.attributes);
}

const poolAxes: WindowAxes = { outY: 1, outX: 2, filterY: 4, filterX: 5 };

function windowOperand(x: Source, g: PoolGeometry) {
  const [batch, y, across, channel] = x.strides as Shape4;
  return { source: x, strides: [batch, 0, 0, channel, 0, 0], windows: seen(g, poolAxes, { y, x: across }) };
}

const pooledShape = (g: PoolGeometry): Shape4 => [g.batch, g.outHeight, g.outWidth, g.channels];

/** Places in a window, row-major. */
function places(builder: ProgramBuilder, g: PoolGeometry) {
  return { source: builder.index([], []), strides: [0, 0, 0, 0, g.filterWidth, 1] };
}

const maxPool: Lowering = (call) => {
  const x = input(call, 0);
  const g = poolOf(call, x.shape);
  return call.builder.emit('max64', 'float32', pooledShape(g), [windowOperand(x, g)], {
    list: [g.filterHeight, g.filterWidth],
  });
};

/** For a pixel (digits 1, 2) and a place in the filter (digits 4, 5), the window that sees it there. */
function windowsThatSee(source: Source, g: PoolGeometry) {
  const [batch, y, across, channel] = source.strides as Shape4;
  const back = { axisA: 1, axisB: 4, factorA: 1, factorB: -g.dilationHeight, offset: g.padTop };
  const left = { axisA: 2, axisB: 5, factorA: 1, factorB: -g.dilationWidth, offset: g.padLeft };
  return {
    ...{ source, strides: [batch, 0, 0, channel, 0, 0] },
    windows: [
      { ...back, dilation: g.strideHeight, limit: g.outHeight, stride: y },
      { ...left, dilation: g.strideWidth, limit: g.outWidth, stride: across },
    ],
  };
}

const maxPoolGradient: Lowering = (call) => {
  const { builder } = call;
  const [dy, x] = [input(call, 0), input(call, 1)];
  const g = poolOf(call, x.shape);
  const list = [g.filterHeight, g.filterWidth];
  const operands = [windowOperand(x, g), places(builder, g)];
  const first = builder.emit('argMax64', 'int32', pooledShape(g), operands, { list });
  const given = [windowsThatSee(dy, g), windowsThatSee(first, g), places(builder, g)];
  return builder.emit('maxPoolGradient', 'float32', x.shape, given, { list });
};

/** How many positions of each window are inside: [outHeight, outWidth, 1]. */
function insideCounts(builder: ProgramBuilder, g: PoolGeometry): Source {
  const inside = (out: number, stride: number, filter: number, dilation: number, pad: number, length: number): number =>
    Array.from({ length: filter }, (_, i) => out * stride + i * dilation - pad).filter((at) => at >= 0 && at < length)
      .length;
  const counts = Float32Array.from({ length: g.outHeight * g.outWidth }, (_, i) => {
    const [y, x] = [Math.floor(i / g.outWidth), i % g.outWidth];
    const rows = inside(y, g.strideHeight, g.filterHeight, g.dilationHeight, g.padTop, g.inHeight);
    return rows * inside(x, g.strideWidth, g.filterWidth, g.dilationWidth, g.padLeft, g.inWidth);
  });
  return builder.constant(counts, [g.outHeight, g.outWidth, 1]);
}

const avgPool: Lowering = (call) => {
  const { builder } = call;
  const x = input(call, 0);
  const g = poolOf(call, x.shape);
  const list = [g.filterHeight, g.filterWidth];
  const sums = builder.emit('sum64', 'float32', pooledShape(g), [windowOperand(x, g)], { list });
  return builder.elementwise('div', 'float32', sums.shape, [sums, insideCounts(builder, g)]);
};

const avgPoolGradient: Lowering = (call) => {
  const { builder } = call;
  const [dy, x] = [input(call, 0), input(call, 1)];
  const g = poolOf(call, x.shape);
  const shares = builder.elementwise('div', 'float32', dy.shape, [dy, insideCounts(builder, g)]);
  return builder.emit('sum64', 'float32', x.shape, [windowsThatSee(shares, g)], {
    list: [g.filterHeight, g.filterWidth],
  });
};

export const windowLowerings: Readonly<Record<string, Lowering>> = {
  Conv2D: convolution,
  FusedConv2D: (call) => finish(call, convolution(call), call.inputs.slice(2)),
  Conv2DBackpropFilter: filterGradient,
  Conv2DBackpropInput: inputGradient,
  DepthwiseConv2dNative: depthwise,
  FusedDepthwiseConv2D: (call) => finish(call, depthwise(call), call.inputs.slice(2)),
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGradient,
  MaxPool: maxPool,
  MaxPoolGrad: maxPoolGradient,
  AvgPool: avgPool,
  AvgPoolGrad: avgPoolGradient,
};
