import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfLayers from '@tensorflow/tfjs-layers';
import { registerExactBackend } from '../src/backend/register.ts';
import type { ExactBackend } from '../src/backend/exact-backend.ts';

export { tf, tfLayers };

let registered: ExactBackend | undefined;

/** The backend under test, on the reference. */
export function exactBackend(): ExactBackend {
  registered ??= registerExactBackend();
  return registered;
}

/** Runs `compute` on a backend and reads what it returns; nothing is left. */
export async function on(
  backend: 'cpu' | 'exact',
  compute: () => tf.Tensor | tf.Tensor[],
): Promise<{ shape: number[]; dtype: string; values: number[] }[]> {
  exactBackend();
  await tf.setBackend(backend);
  await tf.ready();
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
