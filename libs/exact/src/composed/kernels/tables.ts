import { checkShape, sizeOf } from '../../backend/tensors.ts';
import { floats, isFloat, required } from '../../backend/kernel.ts';
import { poolGeometryOf } from '../../backend/kernels/pooling.ts';
import { refuseCentres, sourcePixels } from '../../backend/kernels/resizing.ts';
import { checkIds, gatherShape, indicesOf } from '../../backend/kernels/rows.ts';
import { checkGradientShape } from '../../backend/kernels/window-limits.ts';
import type { AdamCoefficients } from '../../kernels.ts';
import { N } from '../../reference/float.ts';
import type { ComposedKernel, ComposedTable } from '../kernel.ts';
import { adamStep, momentumStep, sgdStep } from '../optimizers.ts';
import { gatherRows, segmentSum } from '../rows.ts';
import { avgPool, avgPoolGradient, maxPool, maxPoolGradient } from '../windows.ts';
import { onHost } from './elementwise.ts';

// Pooling, rows by their numbers, enlarging, and optimizers' steps.

const gather: ComposedKernel = (machine, inputs, attributes) => {
  const x = required(inputs, 'x');
  const indices = indicesOf('GatherV2', required(inputs, 'indices'));
  if (!isFloat(x)) return onHost('GatherV2')(machine, inputs, attributes);
  const { p } = machine;
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } = gatherShape(x, indices, attributes);
  const all = p.read(indices);
  const perBatch = batchSize === 0 ? 0 : all.length / batchSize;
  const groups = batchSize * outerSize;
  // A row of the whole table for each group of each batch; -1 for what is outside.
  const rows = new Int32Array(groups * perBatch);
  for (let group = 0; group < groups; group++)
    for (let i = 0; i < perBatch; i++) {
      const index = all[Math.floor(group / outerSize) * perBatch + i] as number;
      rows[group * perBatch + i] = index >= 0 && index < dimSize ? group * dimSize + index : -1;
    }
  return p.reshape(gatherRows(p, p.reshape(x, [groups * dimSize, sliceSize]), rows), outputShape);
};

const unsortedSegmentSum: ComposedKernel = ({ p }, inputs, attributes) => {
  const x = floats('UnsortedSegmentSum', inputs, 'x');
  const ids = indicesOf('UnsortedSegmentSum', required(inputs, 'segmentIds'));
  const { numSegments } = attributes as { numSegments: number };
  checkIds(x, ids);
  const inner = x.shape.slice(1);
  const rows = p.reshape(x, [x.shape[0] as number, sizeOf(inner)]);
  return p.reshape(segmentSum(p, rows, p.read(ids), numSegments), [numSegments, ...inner]);
};

/** For each pixel of a batch of enlarged images the pixel that it shows, counted through the batch. */
function shownPixels(input: readonly number[], output: readonly number[]): Int32Array {
  const [batch = 0, height = 0, width = 0] = input;
  const perImage = sourcePixels(input, output, new Int32Array(sizeOf(output.slice(1, 3))));
  const pixels = new Int32Array(batch * perImage.length);
  for (let image = 0; image < batch; image++)
    pixels.set(
      perImage.map((pixel) => image * height * width + pixel),
      image * perImage.length,
    );
  return pixels;
}

const enlarge: ComposedKernel = ({ p }, inputs, attributes) => {
  const images = floats('ResizeNearestNeighbor', inputs, 'images');
  refuseCentres('ResizeNearestNeighbor', attributes);
  const { size } = attributes as { size: [number, number] };
  const [batch = 0, height = 0, width = 0, channels = 0] = images.shape;
  const shape = [batch, ...size, channels];
  checkShape(shape);
  const table = p.reshape(images, [batch * height * width, channels]);
  return p.reshape(gatherRows(p, table, shownPixels(images.shape, shape)), shape);
};

const enlargeGradient: ComposedKernel = ({ p }, inputs, attributes) => {
  const images = floats('ResizeNearestNeighborGrad', inputs, 'images');
  const dy = floats('ResizeNearestNeighborGrad', inputs, 'dy');
  refuseCentres('ResizeNearestNeighborGrad', attributes);
  if (sizeOf(dy.shape) === 0) return p.full(images.shape, 0);
  const channels = dy.shape[3] as number;
  const rows = p.reshape(dy, [sizeOf(dy.shape) / channels, channels]);
  const pixels = sizeOf(images.shape.slice(0, 3));
  return p.reshape(segmentSum(p, rows, shownPixels(images.shape, dy.shape), pixels), images.shape);
};

export const tableKernels: ComposedTable = {
  MaxPool: ({ p }, inputs, attributes) => {
    const x = floats('MaxPool', inputs, 'x');
    const g = poolGeometryOf('MaxPool', x.shape, attributes);
    return p.reshape(maxPool(p, x, g), g.outShape);
  },
  AvgPool: ({ p }, inputs, attributes) => {
    const x = floats('AvgPool', inputs, 'x');
    const g = poolGeometryOf('AvgPool', x.shape, attributes);
    return p.reshape(avgPool(p, x, g), g.outShape);
  },
  MaxPoolGrad: ({ p }, inputs, attributes) => {
    const x = floats('MaxPoolGrad', inputs, 'input');
    const dy = floats('MaxPoolGrad', inputs, 'dy');
    const g = poolGeometryOf('MaxPoolGrad', x.shape, attributes);
    checkGradientShape('MaxPoolGrad', dy.shape, g.outShape);
    return p.reshape(maxPoolGradient(p, dy, x, g), x.shape);
  },
  AvgPoolGrad: ({ p }, inputs, attributes) => {
    const x = floats('AvgPoolGrad', inputs, 'input');
    const dy = floats('AvgPoolGrad', inputs, 'dy');
    const g = poolGeometryOf('AvgPoolGrad', x.shape, attributes);
    checkGradientShape('AvgPoolGrad', dy.shape, g.outShape);
    return p.reshape(avgPoolGradient(p, dy, g), x.shape);
  },
  GatherV2: gather,
  UnsortedSegmentSum: unsortedSegmentSum,
  ResizeNearestNeighbor: enlarge,
  ResizeNearestNeighborGrad: enlargeGradient,
  ExactSgd: ({ p }, inputs, attributes) => {
    const { rate } = attributes as { rate: number };
    return sgdStep(p, floats('ExactSgd', inputs, 'weights'), floats('ExactSgd', inputs, 'gradients'), N(rate));
  },
  ExactMomentum: ({ p }, inputs, attributes) => {
    const { rate, momentum } = attributes as { rate: number; momentum: number };
    const part = (name: string) => floats('ExactMomentum', inputs, name);
    return momentumStep(p, part('weights'), part('velocity'), part('gradients'), N(rate), N(momentum));
  },
  ExactAdam: ({ p }, inputs, attributes) => {
    const part = (name: string) => floats('ExactAdam', inputs, name);
    const state = [part('weights'), part('firstMoment'), part('secondMoment'), part('gradients')] as const;
    return adamStep(p, ...state, attributes as unknown as AdamCoefficients);
  },
  ExactDropoutMask: onHost('ExactDropoutMask'),
};
