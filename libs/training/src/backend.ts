import '@tensorflow/tfjs-backend-cpu';
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { type BackendName, backendNames } from '@cotrain/protocol';
import { BackendUnavailableError } from './errors.ts';
import { tf } from './tf.ts';
import { registerWasmKernels } from './wasm-kernels.ts';

const require = createRequire(import.meta.url);

/** Names under which TensorFlow.js knows the backends. */
const engineNames: Record<BackendName, string> = {
  'tfjs-node-gpu': 'tensorflow',
  'tfjs-node': 'tensorflow',
  wasm: 'wasm',
  cpu: 'cpu',
};

/** Loads an optional package; tests put their own in its place. */
export type PackageLoader = (name: string) => Promise<unknown>;

const loadPackage: PackageLoader = (name) => import(name);

/** Why a backend cannot be used, or null after it was made ready. */
async function prepare(name: BackendName, load: PackageLoader): Promise<unknown> {
  try {
    if (name === 'wasm') {
      // Under Node the package looks for its binaries in the working directory unless told.
      setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep);
      registerWasmKernels();
    } else if (name !== 'cpu') await loadNodeBinding(name, load);
    const ready = await withoutProcessHandlers(() => tf.setBackend(engineNames[name]));
    return ready ? null : new Error('it did not initialize');
  } catch (cause) {
    return cause;
  }
}

/** The WASM module takes over the process's handling of uncaught errors, which is not a library's business. */
async function withoutProcessHandlers<T>(action: () => Promise<T>): Promise<T> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => new Set<unknown>(process.listeners(event as 'uncaughtException')));
  try {
    return await action();
  } finally {
    events.forEach((event, index) => {
      for (const listener of process.listeners(event as 'uncaughtException'))
        if (before[index]?.has(listener) === false) process.removeListener(event, listener);
    });
  }
}

async function loadNodeBinding(name: 'tfjs-node' | 'tfjs-node-gpu', load: PackageLoader): Promise<void> {
  // TensorFlow otherwise takes kernels whose sums depend on timing; the same bytes are wanted every time.
  process.env['TF_DETERMINISTIC_OPS'] ??= '1';
  process.env['TF_CUDNN_DETERMINISTIC'] ??= '1';
  // tfjs-node 4 calls util functions that Node 23 removed.
  const util = require('node:util') as { isNullOrUndefined?: (value: unknown) => boolean; isArray?: unknown };
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
  // An optional peer: resolved at run time, so that the trainer builds and runs without it.
  await load(`@tensorflow/${name}`);
}

/**
 * Makes one of the allowed backends TensorFlow.js's current one.
 * WASM runs with SIMD and one thread: its package has no threads under Node, which also keeps sums in one order.
 * @param requested takes exactly this one
 * @throws BackendUnavailableError naming what was tried and why it failed
 */
export async function selectBackend(
  allowed: readonly BackendName[],
  requested?: BackendName,
  load: PackageLoader = loadPackage,
): Promise<BackendName> {
  if (requested !== undefined && !allowed.includes(requested))
    throw new BackendUnavailableError(
      `backend is ${requested}, which this job does not allow: choose one of ${allowed.join(', ')}.`,
    );
  const candidates = requested === undefined ? backendNames.filter((name) => allowed.includes(name)) : [requested];
  const reasons: string[] = [];
  for (const name of candidates) {
    const failure = await prepare(name, load);
    if (failure === null) return name;
    reasons.push(`${name}: ${failure instanceof Error ? (failure.message.split('\n')[0] ?? '') : String(failure)}`);
  }
  throw new BackendUnavailableError(
    `None of the allowed backends can be used here (${reasons.join('; ')}). Install one of them or allow wasm or cpu.`,
  );
}
