import { availableParallelism } from 'node:os';
import {
  createNativeKernels,
  createReferenceKernels,
  createWasmKernels,
  type ExactKernels,
  loadTfjsNode,
  registerComposedBackend,
  registerExactBackend,
} from '@cotrain/exact';
import { exactBackend, type JobSpec } from '@cotrain/protocol';
import { BackendUnavailableError } from './errors.ts';
import { tf } from './tf.ts';

/**
 * Implementations of exact/1. All of them give the same bits, so that only time depends on the choice. `tensorflow` is
 * composed of the primitives of tfjs-node, or of tfjs-node-gpu.
 */
export const exactImplementations = ['native', 'wasm', 'reference', 'tensorflow'] as const;
export type ExactImplementation = (typeof exactImplementations)[number];

/** What is taken unasked, fastest first. TensorFlow is slower than these on processors, so that it has to be asked for. */
const candidates: readonly ExactImplementation[] = ['native', 'wasm', 'reference'];

/** Makes an implementation TensorFlow.js's backend `exact`. This is the place where another one is added. */
const register: Record<ExactImplementation, (threads: number) => Promise<void> | void> = {
  native: (threads) => {
    registerKernels(createNativeKernels({ threads }));
  },
  wasm: (threads) => {
    registerKernels(createWasmKernels({ threads }));
  },
  reference: () => {
    registerKernels(createReferenceKernels());
  },
  tensorflow: async () => {
    await loadTfjsNode();
    await registerComposedBackend({ on: 'tensorflow', name: exactBackend });
  },
};

function registerKernels(kernels: ExactKernels): void {
  try {
    registerExactBackend({ name: exactBackend, kernels });
  } catch (error) {
    void kernels.dispose();
    throw error;
  }
}

/** What is registered; another one takes its place, and its memory is given back. */
let registered: { implementation: ExactImplementation; threads: number } | null = null;

/**
 * Makes `exact` the current backend, on the fastest implementation that works here.
 * @param requested takes exactly this one
 * @throws BackendUnavailableError naming what was tried and why it failed
 */
export async function selectExact(
  resources: JobSpec['resources'],
  requested?: ExactImplementation,
): Promise<ExactImplementation> {
  const threads = threadsFor(resources);
  const reasons: string[] = [];
  for (const implementation of requested === undefined ? candidates : [requested]) {
    try {
      await select(implementation, threads);
      return implementation;
    } catch (cause) {
      reasons.push(`${implementation}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }
  throw new BackendUnavailableError(
    `No implementation of exact/1 can be used here (${reasons.join('; ')}). Choose another one or another machine.`,
  );
}

async function select(implementation: ExactImplementation, threads: number): Promise<void> {
  if (registered?.implementation !== implementation || registered.threads !== threads) {
    registered = null;
    await register[implementation](threads);
    registered = { implementation, threads };
  }
  if (!(await tf.setBackend(exactBackend))) throw new Error('TensorFlow.js did not accept the backend');
}

/** As many as the job paid for, if the machine has them. */
function threadsFor({ cpuMilli }: JobSpec['resources']): number {
  return Math.max(1, Math.min(Math.floor(cpuMilli / 1_000), availableParallelism()));
}
