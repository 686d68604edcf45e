import { floats, isFloat, required } from '../../backend/kernel.ts';
import { lastAxis, type ReductionAttributes, reductionLayout } from '../../backend/kernels/reductions.ts';
import { sizeOf } from '../../backend/tensors.ts';
import type { Reduction, ReductionExtent } from '../../kernels.ts';
import type { Floats, InnerTensor } from '../inner-operations.ts';
import type { ComposedKernel, ComposedTable } from '../kernel.ts';
import type { Primitives } from '../primitives.ts';
import { argReduce, reduce, softmax } from '../reductions.ts';
import { onHost } from './elementwise.ts';

const reductionKernel =
  (kernel: string, apply: (p: Primitives, x: Floats, extent: ReductionExtent) => InnerTensor): ComposedKernel =>
  (machine, inputs, attributes) => {
    const x = required(inputs, 'x');
    if (!isFloat(x)) return onHost(kernel)(machine, inputs, attributes);
    const { p } = machine;
    const { extent, outShape, order } = reductionLayout(x.shape, attributes as ReductionAttributes);
    return p.reshape(apply(p, order === undefined ? x : p.transpose(x, order), extent), outShape);
  };

const reducing = (kernel: string, operation: Reduction): ComposedKernel =>
  reductionKernel(kernel, (p, x, extent) => reduce(p, operation, x, extent));

const finding = (kernel: string, operation: 'argMax' | 'argMin'): ComposedKernel => {
  const onInner = reductionKernel(kernel, (p, x, extent) => argReduce(p, operation, x, extent));
  // Of nothing it is 0, which needs no inner backend.
  return (machine, inputs, attributes) =>
    sizeOf(required(inputs, 'x').shape) === 0
      ? onHost(kernel)(machine, inputs, attributes)
      : onInner(machine, inputs, attributes);
};

const softmaxKernel =
  (kernel: string, operation: 'softmax' | 'logSoftmax'): ComposedKernel =>
  ({ p }, inputs, attributes) => {
    const logits = floats(kernel, inputs, 'logits');
    const columns = lastAxis(kernel, logits.shape, attributes);
    return softmax(p, operation, logits, columns === 0 ? 0 : sizeOf(logits.shape) / columns, columns);
  };

export const reductionKernels: ComposedTable = {
  Sum: reducing('Sum', 'sum'),
  Mean: reducing('Mean', 'mean'),
  Max: reducing('Max', 'max'),
  Min: reducing('Min', 'min'),
  Prod: reducing('Prod', 'prod'),
  ArgMax: finding('ArgMax', 'argMax'),
  ArgMin: finding('ArgMin', 'argMin'),
  All: onHost('All'),
  Any: onHost('Any'),
  Softmax: softmaxKernel('Softmax', 'softmax'),
  LogSoftmax: softmaxKernel('LogSoftmax', 'logSoftmax'),
};
