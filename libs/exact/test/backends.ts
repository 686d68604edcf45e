import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfLayers from '@tensorflow/tfjs-layers';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import type { ExactBackend } from '../src/backend/exact-backend.ts';
import { registerExactBackend } from '../src/backend/register.ts';
import type { ComposedBackend } from '../src/composed/composed-backend.ts';
import { registerComposedBackend } from '../src/composed/register.ts';
import { loadTfjsNode } from '../src/composed/tfjs-node.ts';
import { createReferenceKernels } from '../src/reference/reference-kernels.ts';
import { createWasmKernels } from '../src/wasm/wasm-kernels.ts';

export { tf, tfLayers };

const wasmPackage = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json');
const wasmFolder = join(dirname(wasmPackage), 'wasm-out/');

/** Backends under test: the profile on both of its implementations. */
export const exactNames = ['exact', 'exact-wasm'] as const;
export type ExactName = (typeof exactNames)[number];

/** Backends of TensorFlow.js on which the profile is composed; `tensorflow` only where tfjs-node is installed. */
export const innerNames = ['cpu', 'wasm', 'tensorflow'] as const;
export type InnerName = (typeof innerNames)[number];
export type ComposedName = `exact-on-${InnerName}`;
export type BackendName = 'cpu' | ExactName | ComposedName;

const composed = new Map<ComposedName, Promise<ComposedBackend>>();

/** The profile composed on another backend. */
export function composedBackend(name: ComposedName): Promise<ComposedBackend> {
  const known = composed.get(name);
  if (known !== undefined) return known;
  const made = (async () => {
    const on = name.replace('exact-on-', '') as InnerName;
    if (on === 'wasm') setWasmPaths(wasmFolder);
    if (on === 'tensorflow') await loadTfjsNode();
    return registerComposedBackend({ on, name });
  })();
  composed.set(name, made);
  return made;
}

const isComposed = (name: BackendName): name is ComposedName => name.startsWith('exact-on-');

const registered = new Map<ExactName, ExactBackend>();

/** A backend under test; `exact` is the reference. */
export function exactBackend(name: ExactName = 'exact'): ExactBackend {
  const known = registered.get(name);
  if (known !== undefined) return known;
  const kernels = name === 'exact' ? createReferenceKernels() : createWasmKernels({ threads: 1 });
  const backend = registerExactBackend({ name, kernels });
  registered.set(name, backend);
  return backend;
}

/** Makes a backend TensorFlow.js's current one. */
export async function use(backend: BackendName): Promise<void> {
  if (isComposed(backend)) await composedBackend(backend);
  else if (backend !== 'cpu') exactBackend(backend);
  await tf.setBackend(backend);
  await tf.ready();
}

/** Runs `compute` on a backend and reads what it returns; nothing is left. */
export async function on(
  backend: BackendName,
  compute: () => tf.Tensor | tf.Tensor[],
): Promise<{ shape: number[]; dtype: string; values: number[] }[]> {
  await use(backend);
  const before = tf.memory().numTensors;
  const results = tf.tidy(() => {
    const result = compute();
    return (Array.isArray(result) ? result : [result]).map((tensor) => ({
      shape: tensor.shape,
      dtype: tensor.dtype,
      values: [...tensor.dataSync()],
    }));
  });
  if (tf.memory().numTensors !== before)
    throw new Error(`${String(tf.memory().numTensors - before)} tensors were left`);
  return results;
}
