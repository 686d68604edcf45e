import type { PoolGeometry } from '../../kernels.ts';
import { checkShape } from '../tensors.ts';
import { floats, type KernelFunction, type KernelTable } from '../kernel.ts';
import { tf } from '../tf.ts';
import { checkGradientShape, checkPoolPositions, checkWindows } from './window-limits.ts';

interface PoolAttributes {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4 = [number, number, number, number];

/** Geometry from TensorFlow.js's attributes. @throws UnsupportedArgumentError unless §9's limits hold */
export function poolGeometryOf(
  kernel: string,
  xShape: readonly number[],
  attributes: unknown,
): PoolGeometry & { outShape: Shape4 } {
  const { filterSize, strides, pad, dimRoundingMode } = attributes as PoolAttributes;
  const info = tf.backend_util.computePool2DInfo(xShape as Shape4, filterSize, strides, 1, pad, dimRoundingMode);
  const geometry = {
    batch: info.batchSize,
    channels: info.inChannels,
    inHeight: info.inHeight,
    inWidth: info.inWidth,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    filterHeight: info.filterHeight,
    filterWidth: info.filterWidth,
    strideHeight: info.strideHeight,
    strideWidth: info.strideWidth,
    dilationHeight: info.dilationHeight,
    dilationWidth: info.dilationWidth,
    padTop: info.padInfo.top,
    padLeft: info.padInfo.left,
    outShape: info.outShape as Shape4,
  };
  checkWindows(kernel, geometry);
  checkPoolPositions(kernel, geometry);
  checkShape(geometry.outShape);
  return geometry;
}

const pool =
  (kernel: string, operation: 'maxPool' | 'avgPool'): KernelFunction =>
  (backend, inputs, attributes) => {
    const x = floats(kernel, inputs, 'x');
    const geometry = poolGeometryOf(kernel, x.shape, attributes);
    const [out, values] = backend.output(geometry.outShape, 'float32', 'any');
    if (values.length > 0) backend.kernels[operation](values, backend.values(x), geometry);
    return out;
  };

export const poolingKernels: KernelTable = {
  MaxPool: pool('MaxPool', 'maxPool'),
  AvgPool: pool('AvgPool', 'avgPool'),
  MaxPoolGrad: (backend, inputs, attributes) => {
    const x = floats('MaxPoolGrad', inputs, 'input');
    const dy = floats('MaxPoolGrad', inputs, 'dy');
    const g = poolGeometryOf('MaxPoolGrad', x.shape, attributes);
    checkGradientShape('MaxPoolGrad', dy.shape, g.outShape);
    const [out, values] = backend.output(x.shape, 'float32', 'any');
    if (values.length > 0) backend.kernels.maxPoolGradient(values, backend.values(dy), backend.values(x), g);
    return out;
  },
  AvgPoolGrad: (backend, inputs, attributes) => {
    const x = floats('AvgPoolGrad', inputs, 'input');
    const dy = floats('AvgPoolGrad', inputs, 'dy');
    const g = poolGeometryOf('AvgPoolGrad', x.shape, attributes);
    checkGradientShape('AvgPoolGrad', dy.shape, g.outShape);
    const [out, values] = backend.output(x.shape, 'float32', 'any');
    if (values.length > 0) backend.kernels.avgPoolGradient(values, backend.values(dy), g);
    return out;
  },
};
