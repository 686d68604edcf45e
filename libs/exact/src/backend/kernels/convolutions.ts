import { UnsupportedArgumentError } from '../../errors.ts';
import type { ConvolutionGeometry } from '../../kernels.ts';
import type { ExactBackend, Take } from '../exact-backend.ts';
import { checkShape, type ExactTensor, sizeOf } from '../tensors.ts';
import { type Attributes, floats, type KernelFunction, type KernelTable } from '../kernel.ts';
import { moveElements, stridesOf } from '../movement.ts';
import { tf } from '../tf.ts';
import { finish } from './products.ts';
import { checkGradientShape, checkWindows } from './window-limits.ts';

export interface ConvolutionAttributes {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dataFormat?: 'NHWC' | 'NCHW';
  dilations?: [number, number] | number | null;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  filterShape?: [number, number, number, number];
  inputShape?: [number, number, number, number];
}

export type Shape4 = [number, number, number, number];

/** Geometry from TensorFlow.js's attributes. @throws UnsupportedArgumentError unless channels come last and §8's limits hold */
export function geometryOf(
  kernel: string,
  xShape: readonly number[],
  filterShape: readonly number[],
  attributes: Attributes,
  depthwise = false,
): ConvolutionGeometry & { outShape: Shape4 } {
  const {
    strides,
    pad,
    dataFormat = 'NHWC',
    dilations,
    dimRoundingMode,
  } = attributes as unknown as ConvolutionAttributes;
  if (dataFormat !== 'NHWC')
    throw new UnsupportedArgumentError(kernel, `the data format is ${dataFormat}; transpose to NHWC.`);
  const info = tf.backend_util.computeConv2DInfo(
    xShape as Shape4,
    filterShape as Shape4,
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    depthwise,
    'channelsLast',
  );
  if (filterShape[2] !== info.inChannels)
    throw new UnsupportedArgumentError(
      kernel,
      `the filter's shape is [${filterShape.join(', ')}]; x has ${String(info.inChannels)} channels.`,
    );
  const geometry = {
    batch: info.batchSize,
    inHeight: info.inHeight,
    inWidth: info.inWidth,
    inChannels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    outChannels: info.outChannels,
    filterHeight: info.filterHeight,
    filterWidth: info.filterWidth,
    strideHeight: info.strideHeight,
    strideWidth: info.strideWidth,
    dilationHeight: info.dilationHeight,
    dilationWidth: info.dilationWidth,
    inputDilationHeight: 1,
    inputDilationWidth: 1,
    padTop: info.padInfo.top,
    padLeft: info.padInfo.left,
    outShape: info.outShape as Shape4,
  };
  checkWindows(kernel, geometry);
  checkShape(geometry.outShape);
  return geometry;
}

/** §8: the convolution that computes the gradient of the input of `g`. */
export function inputGradientGeometry(g: ConvolutionGeometry): ConvolutionGeometry {
  return {
    ...g,
    inHeight: g.outHeight,
    inWidth: g.outWidth,
    inChannels: g.outChannels,
    outHeight: g.inHeight,
    outWidth: g.inWidth,
    outChannels: g.inChannels,
    strideHeight: 1,
    strideWidth: 1,
    inputDilationHeight: g.strideHeight,
    inputDilationWidth: g.strideWidth,
    padTop: (g.filterHeight - 1) * g.dilationHeight - g.padTop,
    padLeft: (g.filterWidth - 1) * g.dilationWidth - g.padLeft,
  };
}

/** §8: the filter turned round, with its channels exchanged. */
function turnFilter(backend: ExactBackend, take: Take, filter: Float32Array, g: ConvolutionGeometry): Float32Array {
  const turned = take('float32', filter.length);
  const { filterHeight, filterWidth, inChannels, outChannels } = g;
  const shape = [filterHeight * filterWidth, outChannels, inChannels];
  const perPosition = inChannels * outChannels;
  moveElements(backend, 'Conv2DBackpropInput', turned, filter, {
    ...{ shape, outOffset: 0, outStrides: stridesOf(shape) },
    xOffset: (filterHeight * filterWidth - 1) * perPosition,
    xStrides: [-perPosition, 1, outChannels],
  });
  return turned;
}

function convolve(
  backend: ExactBackend,
  kernel: string,
  inputs: Parameters<KernelFunction>[1],
  attributes: Attributes,
) {
  const x = floats(kernel, inputs, 'x');
  const filter = floats(kernel, inputs, 'filter');
  const geometry = geometryOf(kernel, x.shape, filter.shape, attributes);
  const isEmpty = sizeOf(x.shape) * sizeOf(filter.shape) * sizeOf(geometry.outShape) === 0;
  const [out, values] = backend.output(geometry.outShape, 'float32', isEmpty ? 'zeros' : 'any');
  if (!isEmpty) backend.kernels.conv2d(values, backend.values(x), backend.values(filter), geometry);
  return out;
}

const filterGradient: KernelFunction = (backend, inputs, attributes) => {
  const kernel = 'Conv2DBackpropFilter';
  const x = floats(kernel, inputs, 'x');
  const dy = floats(kernel, inputs, 'dy');
  const { filterShape } = attributes as { filterShape: Shape4 };
  const geometry = geometryOf(kernel, x.shape, filterShape, attributes);
  checkGradientShape(kernel, dy.shape, geometry.outShape);
  const isEmpty = sizeOf(x.shape) * sizeOf(dy.shape) === 0;
  const [out, values] = backend.output(filterShape, 'float32', isEmpty ? 'zeros' : 'any');
  if (!isEmpty) backend.kernels.conv2dFilterGradient(values, backend.values(x), backend.values(dy), geometry);
  return out;
};

const inputGradient: KernelFunction = (backend, inputs, attributes) => {
  const kernel = 'Conv2DBackpropInput';
  const dy = floats(kernel, inputs, 'dy');
  const filter = floats(kernel, inputs, 'filter');
  const { inputShape } = attributes as { inputShape: Shape4 };
  const geometry = geometryOf(kernel, inputShape, filter.shape, attributes);
  checkGradientShape(kernel, dy.shape, geometry.outShape);
  const isEmpty = sizeOf(inputShape) * sizeOf(dy.shape) * sizeOf(filter.shape) === 0;
  const [out, values] = backend.output(inputShape, 'float32', isEmpty ? 'zeros' : 'any');
  if (!isEmpty)
    backend.withScratch((take) => {
      const turned = turnFilter(backend, take, backend.values(filter), geometry);
      backend.kernels.conv2d(values, backend.values(dy), turned, inputGradientGeometry(geometry));
    });
  return out;
};

// Depthwise: a convolution with one input channel for each channel. Channels are taken out and put back.

interface DepthwiseChannel {
  channel: number;
  geometry: ConvolutionGeometry;
  multiplier: number;
}

function eachChannel(g: ConvolutionGeometry, use: (channel: DepthwiseChannel) => void): void {
  const multiplier = g.outChannels / g.inChannels;
  for (let channel = 0; channel < g.inChannels; channel++)
    use({ channel, multiplier, geometry: { ...g, inChannels: 1, outChannels: multiplier } });
}

/** Channels `first` to `first + count - 1` of channels-last data, copied out or in. */
function moveChannels(
  backend: ExactBackend,
  direction: 'out' | 'in',
  part: Float32Array,
  whole: Float32Array,
  channels: number,
  first: number,
  count: number,
): void {
  const shape = [part.length / count, count];
  const partSide = { offset: 0, strides: [count, 1] };
  const wholeSide = { offset: first, strides: [channels, 1] };
  const [to, from] = direction === 'out' ? [partSide, wholeSide] : [wholeSide, partSide];
  moveElements(
    backend,
    'DepthwiseConv2dNative',
    direction === 'out' ? part : whole,
    direction === 'out' ? whole : part,
    {
      ...{ shape, outOffset: to.offset, outStrides: to.strides, xOffset: from.offset, xStrides: from.strides },
    },
  );
}

function depthwise(
  backend: ExactBackend,
  kernel: string,
  inputs: Parameters<KernelFunction>[1],
  attributes: Attributes,
) {
  const x = floats(kernel, inputs, 'x');
  const filter = floats(kernel, inputs, 'filter');
  const g = geometryOf(kernel, x.shape, filter.shape, attributes, true);
  const [out, values] = backend.output(g.outShape, 'float32');
  backend.withScratch((take) => {
    const multiplier = g.outChannels / g.inChannels;
    const xPart = take('float32', sizeOf(x.shape) / g.inChannels);
    const filterPart = take('float32', g.filterHeight * g.filterWidth * multiplier);
    const outPart = take('float32', values.length / g.inChannels);
    eachChannel(g, ({ channel, geometry }) => {
      moveChannels(backend, 'out', xPart, backend.values(x), g.inChannels, channel, 1);
      moveChannels(backend, 'out', filterPart, backend.values(filter), g.outChannels, channel * multiplier, multiplier);
      backend.kernels.conv2d(outPart, xPart, filterPart, geometry);
      moveChannels(backend, 'in', outPart, values, g.outChannels, channel * multiplier, multiplier);
    });
  });
  return out;
}

const depthwiseFilterGradient: KernelFunction = (backend, inputs, attributes) => {
  const kernel = 'DepthwiseConv2dNativeBackpropFilter';
  const x = floats(kernel, inputs, 'x');
  const dy = floats(kernel, inputs, 'dy');
  const { filterShape } = attributes as { filterShape: Shape4 };
  const g = geometryOf(kernel, x.shape, filterShape, attributes, true);
  checkGradientShape(kernel, dy.shape, g.outShape);
  const [out, values] = backend.output(filterShape, 'float32');
  backend.withScratch((take) => {
    const multiplier = g.outChannels / g.inChannels;
    const xPart = take('float32', sizeOf(x.shape) / g.inChannels);
    const dyPart = take('float32', sizeOf(dy.shape) / g.inChannels);
    const filterPart = take('float32', g.filterHeight * g.filterWidth * multiplier);
    eachChannel(g, ({ channel, geometry }) => {
      moveChannels(backend, 'out', xPart, backend.values(x), g.inChannels, channel, 1);
      moveChannels(backend, 'out', dyPart, backend.values(dy), g.outChannels, channel * multiplier, multiplier);
      backend.kernels.conv2dFilterGradient(filterPart, xPart, dyPart, geometry);
      moveChannels(backend, 'in', filterPart, values, g.outChannels, channel * multiplier, multiplier);
    });
  });
  return out;
};

const depthwiseInputGradient: KernelFunction = (backend, inputs, attributes) => {
  const kernel = 'DepthwiseConv2dNativeBackpropInput';
  const dy = floats(kernel, inputs, 'dy');
  const filter = floats(kernel, inputs, 'filter');
  const { inputShape } = attributes as { inputShape: Shape4 };
  const g = geometryOf(kernel, inputShape, filter.shape, attributes, true);
  checkGradientShape(kernel, dy.shape, g.outShape);
  const [out, values] = backend.output(inputShape, 'float32');
  backend.withScratch((take) => {
    const multiplier = g.outChannels / g.inChannels;
    const dyPart = take('float32', sizeOf(dy.shape) / g.inChannels);
    const filterPart = take('float32', g.filterHeight * g.filterWidth * multiplier);
    const outPart = take('float32', values.length / g.inChannels);
    eachChannel(g, ({ channel, geometry }) => {
      moveChannels(backend, 'out', dyPart, backend.values(dy), g.outChannels, channel * multiplier, multiplier);
      moveChannels(backend, 'out', filterPart, backend.values(filter), g.outChannels, channel * multiplier, multiplier);
      backend.withScratch((takeTurned) => {
        const turned = turnFilter(backend, takeTurned, filterPart, geometry);
        backend.kernels.conv2d(outPart, dyPart, turned, inputGradientGeometry(geometry));
      });
      moveChannels(backend, 'in', outPart, values, g.inChannels, channel, 1);
    });
  });
  return out;
};

const fused =
  (kernel: string, run: (...parameters: Parameters<typeof convolve>) => ExactTensor<'float32'>): KernelFunction =>
  (backend, inputs, attributes) =>
    finish(backend, kernel, run(backend, kernel, inputs, attributes), inputs, attributes);

export const convolutionKernels: KernelTable = {
  Conv2D: (backend, inputs, attributes) => convolve(backend, 'Conv2D', inputs, attributes),
  FusedConv2D: fused('FusedConv2D', convolve),
  Conv2DBackpropFilter: filterGradient,
  Conv2DBackpropInput: inputGradient,
  DepthwiseConv2dNative: (backend, inputs, attributes) =>
    depthwise(backend, 'DepthwiseConv2dNative', inputs, attributes),
  FusedDepthwiseConv2D: fused('FusedDepthwiseConv2D', depthwise),
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGradient,
};
