import { afterEach, describe, expect, it } from '@jest/globals';
import { selectBackend } from './backend.ts';
import { BackendUnavailableError } from './errors.ts';
import { tf } from './tf.ts';

/** What importing tfjs-node does, as far as it concerns us: it registers a backend. */
function nativePackage(): Promise<unknown> {
  // It calls this function of Node's, which Node 23 removed, as soon as it is used.
  const util = process.getBuiltinModule('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
  expect([util.isNullOrUndefined?.(null), util.isNullOrUndefined?.(0)]).toEqual([true, false]);
  tf.registerBackend('tensorflow', () => tf.findBackendFactory('cpu')() as ReturnType<typeof tf.backend>);
  return Promise.resolve({});
}

const missing = (name: string): Promise<unknown> => Promise.reject(new Error(`Cannot find package '${name}'`));

afterEach(async () => {
  await tf.setBackend('cpu');
  if (tf.findBackendFactory('tensorflow') !== null) tf.removeBackend('tensorflow');
});

describe('the choice of a backend', () => {
  it('prefers the GPU, then native TensorFlow, then WASM, then plain JavaScript', async () => {
    const asked: string[] = [];
    const only = (installed: string) => (name: string) => {
      asked.push(name);
      return name === installed ? nativePackage() : missing(name);
    };
    const all = ['cpu', 'wasm', 'tfjs-node', 'tfjs-node-gpu'] as const;
    expect(await selectBackend(all, undefined, only('@tensorflow/tfjs-node-gpu'))).toBe('tfjs-node-gpu');
    expect(tf.getBackend()).toBe('tensorflow');
    tf.removeBackend('tensorflow');
    expect(await selectBackend(all, undefined, only('@tensorflow/tfjs-node'))).toBe('tfjs-node');
    tf.removeBackend('tensorflow');
    expect(await selectBackend(all, undefined, missing)).toBe('wasm');
    expect(tf.getBackend()).toBe('wasm');
    expect(await selectBackend(['cpu'], undefined, missing)).toBe('cpu');
    expect(asked).toEqual(['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']);
  });

  it('takes nothing that the job does not allow, even where it is installed', async () => {
    const never = (): Promise<unknown> => Promise.reject(new Error('was loaded all the same'));
    expect(await selectBackend(['wasm'], undefined, never)).toBe('wasm');
    await expect(selectBackend(['wasm'], 'tfjs-node', never)).rejects.toThrow(/does not allow: choose one of wasm/);
  });

  it('says what was tried, why it failed and what to do', async () => {
    const selecting = selectBackend(['tfjs-node', 'tfjs-node-gpu'], undefined, missing);
    await expect(selecting).rejects.toThrow(BackendUnavailableError);
    await expect(selecting).rejects.toThrow(
      /tfjs-node-gpu: Cannot find package.*tfjs-node: Cannot find.*allow wasm or cpu/,
    );
  });

  it('gets round a package that is installed but broken', async () => {
    const broken = (): Promise<unknown> => {
      tf.registerBackend('tensorflow', () => {
        throw new Error('libcudart.so not found');
      });
      return Promise.resolve({});
    };
    expect(await selectBackend(['tfjs-node-gpu', 'cpu'], undefined, broken)).toBe('cpu');
  });

  it('multiplies transposed matrices on WASM as on plain JavaScript', async () => {
    const values = (count: number): number[] => Array.from({ length: count }, (_, i) => ((i * 37) % 101) / 10 - 5);
    const products: number[][] = [];
    for (const backend of ['wasm', 'cpu'] as const) {
      await selectBackend([backend]);
      for (const [transposeA, transposeB] of [
        [false, true],
        [true, false],
        [true, true],
        [false, false],
      ] as const) {
        for (const batch of [[], [1], [3]]) {
          const a = tf.tensor(values(70 * 35 * (batch[0] ?? 1)), [...batch, ...(transposeA ? [35, 70] : [70, 35])]);
          const b = tf.tensor(values(35 * 33 * (batch[0] ?? 1)), [...batch, ...(transposeB ? [33, 35] : [35, 33])]);
          products.push(Array.from(tf.matMul(a, b, transposeA, transposeB).dataSync()));
        }
      }
    }
    const half = products.length / 2;
    for (let i = 0; i < half; i++)
      products[i]?.forEach((value, at) => {
        expect(Math.abs(value - (products[i + half]?.[at] ?? Number.NaN))).toBeLessThan(1e-2);
      });
  });
});
