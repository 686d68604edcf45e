import { type ExactTensor, sizeOf } from '../../backend/tensors.ts';
import { type Attributes, floats, type Inputs } from '../../backend/kernel.ts';
import {
  type ConvolutionAttributes,
  geometryOf,
  inputGradientGeometry,
  type Shape4,
} from '../../backend/kernels/convolutions.ts';
import { type MatMulAttributes, matMulOperands } from '../../backend/kernels/products.ts';
import { checkGradientShape } from '../../backend/kernels/window-limits.ts';
import { matMul } from '../contraction.ts';
import type { Floats } from '../inner-operations.ts';
import type { ComposedKernel, ComposedTable } from '../kernel.ts';
import type { Primitives } from '../primitives.ts';
import { conv2d, conv2dFilterGradient, groupedConvolution, groupedFilterGradient, turnFilter } from '../windows.ts';
import { finish } from './elementwise.ts';

function product(p: Primitives, kernel: string, inputs: Inputs, attributes: Attributes): Floats {
  const { a, b, shape, outShape } = matMulOperands(kernel, inputs, attributes as unknown as MatMulAttributes);
  return p.reshape(matMul(p, a, b, shape), outShape);
}

const positions = (g: { filterHeight: number; filterWidth: number }): number => g.filterHeight * g.filterWidth;

function convolution(p: Primitives, kernel: string, inputs: Inputs, attributes: Attributes): Floats {
  const x = floats(kernel, inputs, 'x');
  const filter = floats(kernel, inputs, 'filter');
  const geometry = geometryOf(kernel, x.shape, filter.shape, attributes);
  return p.reshape(conv2d(p, x, filter, geometry), geometry.outShape);
}

const filterGradient: ComposedKernel = ({ p }, inputs, attributes) => {
  const kernel = 'Conv2DBackpropFilter';
  const [x, dy] = [floats(kernel, inputs, 'x'), floats(kernel, inputs, 'dy')];
  const { filterShape } = attributes as { filterShape: Shape4 };
  const geometry = geometryOf(kernel, x.shape, filterShape, attributes);
  checkGradientShape(kernel, dy.shape, geometry.outShape);
  return p.reshape(conv2dFilterGradient(p, x, dy, geometry), filterShape);
};

const inputGradient: ComposedKernel = ({ p }, inputs, attributes) => {
  const kernel = 'Conv2DBackpropInput';
  const [dy, filter] = [floats(kernel, inputs, 'dy'), floats(kernel, inputs, 'filter')];
  const { inputShape } = attributes as unknown as ConvolutionAttributes & { inputShape: Shape4 };
  const g = geometryOf(kernel, inputShape, filter.shape, attributes);
  checkGradientShape(kernel, dy.shape, g.outShape);
  if (sizeOf(dy.shape) === 0 || sizeOf(filter.shape) === 0) return p.full(inputShape, 0);
  const turned = turnFilter(p, p.reshape(filter, [1, positions(g), g.inChannels, g.outChannels]));
  return p.reshape(conv2d(p, dy, turned, inputGradientGeometry(g)), inputShape);
};

/** Depthwise filters [positions, channels, multiplier] as [channels, positions, multiplier]. */
const perChannel = (p: Primitives, filter: Floats, k: number, channels: number, multiplier: number): Floats =>
  p.transpose(p.reshape(filter, [k, channels, multiplier]), [1, 0, 2]);

function depthwise(p: Primitives, kernel: string, inputs: Inputs, attributes: Attributes): Floats {
  const [x, filter] = [floats(kernel, inputs, 'x'), floats(kernel, inputs, 'filter')];
  const g = geometryOf(kernel, x.shape, filter.shape, attributes, true);
  if (sizeOf(filter.shape) * sizeOf(x.shape) === 0) return p.full(g.outShape, 0);
  const filters = perChannel(p, filter, positions(g), g.inChannels, g.outChannels / g.inChannels);
  return p.reshape(groupedConvolution(p, x, filters, g, 1), g.outShape);
}

const depthwiseFilterGradient: ComposedKernel = ({ p }, inputs, attributes) => {
  const kernel = 'DepthwiseConv2dNativeBackpropFilter';
  const [x, dy] = [floats(kernel, inputs, 'x'), floats(kernel, inputs, 'dy')];
  const { filterShape } = attributes as { filterShape: Shape4 };
  const g = geometryOf(kernel, x.shape, filterShape, attributes, true);
  checkGradientShape(kernel, dy.shape, g.outShape);
  const gradient = groupedFilterGradient(p, x, dy, g, g.inChannels, g.outChannels / g.inChannels);
  return p.reshape(gradient, filterShape);
};

const depthwiseInputGradient: ComposedKernel = ({ p }, inputs, attributes) => {
  const kernel = 'DepthwiseConv2dNativeBackpropInput';
  const [dy, filter] = [floats(kernel, inputs, 'dy'), floats(kernel, inputs, 'filter')];
  const { inputShape } = attributes as { inputShape: Shape4 };
  const g = geometryOf(kernel, inputShape, filter.shape, attributes, true);
  checkGradientShape(kernel, dy.shape, g.outShape);
  if (sizeOf(dy.shape) * sizeOf(filter.shape) === 0) return p.full(inputShape, 0);
  const multiplier = g.outChannels / g.inChannels;
  const filters = perChannel(p, filter, positions(g), g.inChannels, multiplier);
  const turned = turnFilter(p, p.reshape(filters, [g.inChannels, positions(g), 1, multiplier]));
  const stacked = p.reshape(turned, [g.inChannels, positions(g) * multiplier, 1]);
  return p.reshape(groupedConvolution(p, dy, stacked, inputGradientGeometry(g), multiplier), inputShape);
};

type Compute = (p: Primitives, kernel: string, inputs: Inputs, attributes: Attributes) => Floats;

const plain =
  (kernel: string, compute: Compute): ComposedKernel =>
  ({ p }, inputs, attributes): ExactTensor =>
    compute(p, kernel, inputs, attributes);

const fused =
  (kernel: string, compute: Compute): ComposedKernel =>
  ({ p }, inputs, attributes): ExactTensor =>
    finish(p, kernel, compute(p, kernel, inputs, attributes), inputs, attributes);

export const productKernels: ComposedTable = {
  BatchMatMul: plain('BatchMatMul', product),
  _FusedMatMul: fused('_FusedMatMul', product),
  Conv2D: plain('Conv2D', convolution),
  FusedConv2D: fused('FusedConv2D', convolution),
  Conv2DBackpropFilter: filterGradient,
  Conv2DBackpropInput: inputGradient,
  DepthwiseConv2dNative: plain('DepthwiseConv2dNative', depthwise),
  FusedDepthwiseConv2D: fused('FusedDepthwiseConv2D', depthwise),
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGradient,
};
