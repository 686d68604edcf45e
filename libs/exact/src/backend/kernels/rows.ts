import { UnsupportedArgumentError } from '../../errors.ts';
import { checkShape, type ExactTensor, sizeOf } from '../tensors.ts';
import { type Attributes, floats, isFloat, type KernelFunction, type KernelTable, required } from '../kernel.ts';
import { tf } from '../tf.ts';

/** @throws UnsupportedArgumentError unless they are int32 */
export function indicesOf(kernel: string, tensor: ExactTensor): ExactTensor<'int32'> {
  if (tensor.dtype !== 'int32') throw new UnsupportedArgumentError(kernel, 'its indices must be int32.');
  return tensor as ExactTensor<'int32'>;
}

/** x as [batchSize, outerSize, dimSize, sliceSize], of which indices choose along the third axis. */
export function gatherShape(x: ExactTensor, indices: ExactTensor, attributes: Attributes) {
  const { axis, batchDims = 0 } = attributes as { axis: number; batchDims?: number };
  const parsedAxis = axis < 0 ? axis + x.shape.length : axis;
  const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(
    x as unknown as tf.TensorInfo,
    indices as unknown as tf.TensorInfo,
    parsedAxis,
    batchDims,
  );
  checkShape(info.outputShape);
  return info;
}

const gather: KernelFunction = (backend, inputs, attributes) => {
  const x = required(inputs, 'x');
  const indices = indicesOf('GatherV2', required(inputs, 'indices'));
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } = gatherShape(x, indices, attributes);
  const [out, values] = backend.output(outputShape, x.dtype);
  const all = backend.values(indices);
  const perBatch = all.length / batchSize;
  const source = backend.values(x);
  for (let batch = 0; batch < batchSize; batch++) {
    const rows = all.subarray(batch * perBatch, (batch + 1) * perBatch);
    for (let outer = 0; outer < outerSize; outer++) {
      const group = batch * outerSize + outer;
      const table = source.subarray(group * dimSize * sliceSize, (group + 1) * dimSize * sliceSize);
      const target = values.subarray(group * perBatch * sliceSize, (group + 1) * perBatch * sliceSize);
      if (isFloat(x))
        backend.kernels.gatherRows(target as Float32Array, table as Float32Array, rows, dimSize, sliceSize);
      else
        rows.forEach((index, i) => {
          if (index >= 0 && index < dimSize)
            target.set(table.subarray(index * sliceSize, (index + 1) * sliceSize), i * sliceSize);
        });
    }
  }
  return out;
};

/** @throws UnsupportedArgumentError unless there is one id for each row */
export function checkIds(x: ExactTensor, ids: ExactTensor): void {
  if (ids.shape.length !== 1 || ids.shape[0] !== x.shape[0])
    throw new UnsupportedArgumentError('UnsortedSegmentSum', 'it takes one id for each row of x.');
}

const unsortedSegmentSum: KernelFunction = (backend, inputs, attributes) => {
  const x = floats('UnsortedSegmentSum', inputs, 'x');
  const ids = indicesOf('UnsortedSegmentSum', required(inputs, 'segmentIds'));
  const { numSegments } = attributes as { numSegments: number };
  checkIds(x, ids);
  const inner = x.shape.slice(1);
  const [out, values] = backend.output([numSegments, ...inner], 'float32');
  backend.kernels.segmentSum(values, backend.values(x), backend.values(ids), numSegments, sizeOf(inner));
  return out;
};

export const rowKernels: KernelTable = { GatherV2: gather, UnsortedSegmentSum: unsortedSegmentSum };
