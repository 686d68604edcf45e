import type { AdamCoefficients, DropoutMask } from '../../kernels.ts';
import { N } from '../../reference/float.ts';
import type { ExactBackend } from '../exact-backend.ts';
import { type ExactTensor, sizeOf } from '../tensors.ts';
import { floats, type Inputs, type KernelTable } from '../kernel.ts';

/** A copy that an optimizer's step may change in place. */
function copyOf(backend: ExactBackend, kernel: string, inputs: Inputs, name: string): [ExactTensor, Float32Array] {
  const source = floats(kernel, inputs, name);
  const [out, values] = backend.output(source.shape, 'float32', 'any');
  values.set(backend.values(source));
  return [out, values];
}

/** Kernels of our own, called by `training.ts`; TensorFlow.js has no such operations. */
export const trainingKernels: KernelTable = {
  ExactSgd: (backend, inputs, attributes) => {
    const { rate } = attributes as { rate: number };
    const [out, weights] = copyOf(backend, 'ExactSgd', inputs, 'weights');
    backend.kernels.sgdStep(weights, backend.values(floats('ExactSgd', inputs, 'gradients')), N(rate));
    return out;
  },
  ExactMomentum: (backend, inputs, attributes) => {
    const { rate, momentum } = attributes as { rate: number; momentum: number };
    const [out, weights] = copyOf(backend, 'ExactMomentum', inputs, 'weights');
    const [velocity, velocities] = copyOf(backend, 'ExactMomentum', inputs, 'velocity');
    const gradients = backend.values(floats('ExactMomentum', inputs, 'gradients'));
    backend.kernels.momentumStep(weights, velocities, gradients, N(rate), N(momentum));
    return [out, velocity];
  },
  ExactAdam: (backend, inputs, attributes) => {
    const [out, weights] = copyOf(backend, 'ExactAdam', inputs, 'weights');
    const [first, firsts] = copyOf(backend, 'ExactAdam', inputs, 'firstMoment');
    const [second, seconds] = copyOf(backend, 'ExactAdam', inputs, 'secondMoment');
    const gradients = backend.values(floats('ExactAdam', inputs, 'gradients'));
    backend.kernels.adamStep(weights, firsts, seconds, gradients, attributes as unknown as AdamCoefficients);
    return [out, first, second];
  },
  ExactDropoutMask: (backend, _, attributes) => {
    const { shape, ...mask } = attributes as unknown as DropoutMask & { shape: number[] };
    const [out, values] = backend.output(shape, 'float32');
    if (sizeOf(shape) > 0) backend.kernels.dropoutMask(values, mask);
    return out;
  },
};
