import { definedKernels, kernelNames } from '../backend/register.ts';
import { tf } from '../backend/tf.ts';
import { UnsupportedKernelError } from '../errors.ts';
import { ComposedBackend } from './composed-backend.ts';
import { InnerBackendUnavailableError } from './errors.ts';
import type { ComposedTable } from './kernel.ts';
import { elementwiseKernels } from './kernels/elementwise.ts';
import { productKernels } from './kernels/products.ts';
import { reductionKernels } from './kernels/reductions.ts';
import { tableKernels } from './kernels/tables.ts';
import { viewKernels } from './kernels/views.ts';
import { Primitives } from './primitives.ts';
import { checkComposedStartup } from './startup.ts';

/** Every kernel of exact/1 out of another backend's primitives. */
export const composedKernels: ComposedTable = {
  ...elementwiseKernels,
  ...reductionKernels,
  ...viewKernels,
  ...productKernels,
  ...tableKernels,
};

export interface ComposedBackendOptions {
  /** TensorFlow.js's name of the backend that computes: `cpu`, `wasm`, `tensorflow` (tfjs-node, tfjs-node-gpu) ... */
  on: string;
  /** Name under which TensorFlow.js knows the composed backend; `exact-on-` and the inner one's name if left out. */
  name?: string;
  /** Bytes that all tensors may take together: the inner backend's memory. */
  maximumBytes?: number;
}

/** The WebAssembly backend has 2 GiB, and no way to say that they are used up. */
const wasmBytes = 1.5 * 2 ** 30;

/**
 * Makes exact/1 on top of another backend known to TensorFlow.js, after the start-up vectors have shown that the other
 * one's primitives give the profile's bits. Select it with `tf.setBackend(name)`. A backend of the same name is replaced.
 * @throws InnerBackendUnavailableError if TensorFlow.js does not know the inner backend or cannot start it
 * @throws StartupMismatchError
 */
export async function registerComposedBackend({
  on,
  name = `exact-on-${on}`,
  maximumBytes = on === 'wasm' ? wasmBytes : Infinity,
}: ComposedBackendOptions): Promise<ComposedBackend> {
  const primitives = new Primitives(on, await startedBackend(on), maximumBytes);
  checkComposedStartup(primitives);
  if ((tf.findBackendFactory(name) as unknown) !== null) tf.removeBackend(name);
  const backend = new ComposedBackend(primitives, definedKernels);
  tf.registerBackend(name, () => backend, 1);
  for (const kernelName of new Set([...kernelNames(), ...Object.keys(composedKernels)])) {
    // A backend of this name may have been of another kind.
    if (tf.getKernel(kernelName, name) !== undefined) tf.unregisterKernel(kernelName, name);
    const kernel = composedKernels[kernelName];
    tf.registerKernel({
      kernelName,
      backendName: name,
      kernelFunc: ({ inputs, attrs, backend: current }) => {
        if (kernel === undefined) throw new UnsupportedKernelError(kernelName);
        return (current as ComposedBackend).call(kernelName, inputs, attrs, kernel);
      },
    });
  }
  return backend;
}

/** TensorFlow.js starts a backend, and sets its kernels up, when it is chosen; the former choice is restored. */
async function startedBackend(name: string): Promise<tf.KernelBackend> {
  if ((tf.findBackendFactory(name) as unknown) === null) throw new InnerBackendUnavailableError(name);
  const former = tf.engine().backendName as string | undefined | null;
  const isStarted = await tf.setBackend(name);
  const backend = isStarted ? tf.backend() : null;
  if (former != null && former !== name) await tf.setBackend(former);
  if (backend === null) throw new InnerBackendUnavailableError(name);
  return backend;
}
