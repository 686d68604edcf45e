import { UnsupportedKernelError } from '../errors.ts';
import type { ExactKernels } from '../kernels.ts';
import { createWasmKernels } from '../wasm/wasm-kernels.ts';
import { ExactBackend } from './exact-backend.ts';
import type { Inputs, KernelTable } from './kernel.ts';
import { convolutionKernels } from './kernels/convolutions.ts';
import { elementwiseKernels } from './kernels/elementwise.ts';
import { logicKernels } from './kernels/logic.ts';
import { poolingKernels } from './kernels/pooling.ts';
import { productKernels } from './kernels/products.ts';
import { reductionKernels } from './kernels/reductions.ts';
import { resizingKernels } from './kernels/resizing.ts';
import { rowKernels } from './kernels/rows.ts';
import { trainingKernels } from './kernels/training.ts';
import { viewKernels } from './kernels/views.ts';
import { checkStartup } from './startup.ts';
import { tf } from './tf.ts';

/** Every kernel of TensorFlow.js that exact/1 defines, and our own. */
export const definedKernels: KernelTable = {
  ...elementwiseKernels,
  ...logicKernels,
  ...reductionKernels,
  ...viewKernels,
  ...productKernels,
  ...convolutionKernels,
  ...poolingKernels,
  ...rowKernels,
  ...resizingKernels,
  ...trainingKernels,
};

/** Names of all kernels that TensorFlow.js may call: its exported constants hold them. */
export function kernelNames(): string[] {
  const constants = Object.values(tf as unknown as Record<string, unknown>);
  return constants.filter((value): value is string => typeof value === 'string' && /^_?[A-Z]\w*$/.test(value));
}

export interface ExactBackendOptions {
  /** Name under which TensorFlow.js knows the backend. */
  name?: string;
  /** What computes: WebAssembly in the best variant of this machine if left out. */
  kernels?: ExactKernels;
}

/**
 * Makes the backend known to TensorFlow.js, after the start-up vectors have shown that this machine computes exact/1.
 * Select it with `tf.setBackend(name)`. A backend of the same name is replaced.
 * @throws StartupMismatchError
 */
export function registerExactBackend({
  name = 'exact',
  kernels = createWasmKernels(),
}: ExactBackendOptions = {}): ExactBackend {
  checkStartup(kernels);
  if ((tf.findBackendFactory(name) as unknown) !== null) tf.removeBackend(name);
  const backend = new ExactBackend(kernels);
  tf.registerBackend(name, () => backend, 1);
  for (const [kernelName, run] of Object.entries(definedKernels)) {
    // A backend of this name may have been of another kind.
    if (tf.getKernel(kernelName, name) !== undefined) tf.unregisterKernel(kernelName, name);
    tf.registerKernel({
      kernelName,
      backendName: name,
      kernelFunc: ({ inputs, attrs, backend: current }) => {
        const exact = current as ExactBackend;
        return exact.call(kernelName, inputs, attrs, () => run(exact, inputs as Inputs, attrs ?? {}));
      },
    });
  }
  for (const kernelName of kernelNames()) {
    if (kernelName in definedKernels) continue;
    if (tf.getKernel(kernelName, name) !== undefined) tf.unregisterKernel(kernelName, name);
    tf.registerKernel({
      kernelName,
      backendName: name,
      kernelFunc: () => {
        throw new UnsupportedKernelError(kernelName);
      },
    });
  }
  return backend;
}
