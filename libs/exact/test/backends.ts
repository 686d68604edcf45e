import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfLayers from '@tensorflow/tfjs-layers';
import type { ExactBackend } from '../src/backend/exact-backend.ts';
import { registerExactBackend } from '../src/backend/register.ts';
import { createReferenceKernels } from '../src/reference/reference-kernels.ts';
import { createWasmKernels } from '../src/wasm/wasm-kernels.ts';

export { tf, tfLayers };

/** Backends under test: the profile on both of its implementations. */
export const exactNames = ['exact', 'exact-wasm'] as const;
export type ExactName = (typeof exactNames)[number];

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
export async function use(backend: 'cpu' | ExactName): Promise<void> {
  if (backend !== 'cpu') exactBackend(backend);
  await tf.setBackend(backend);
  await tf.ready();
}

/** Runs `compute` on a backend and reads what it returns; nothing is left. */
export async function on(
  backend: 'cpu' | ExactName,
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
