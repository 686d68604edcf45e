// Trains one task and prints its losses and validation: node test/quality.ts TASK VARIANT SEED STEPS.
// Variants: float32 (TensorFlow through tfjs-node), 127x127 (exact/1), 127x63 (its right operands rounded to 6 bits and a sign).
import { contractionBlock } from '../src/contraction-ranges.ts';
import type { ExactKernels, VectorLayout } from '../src/kernels.ts';
import { registerExactBackend } from '../src/backend/register.ts';
import { loadTfjsNode } from '../src/composed/tfjs-node.ts';
import { blockExponents } from '../src/reference/contraction.ts';
import { createWasmKernels } from '../src/wasm/wasm-kernels.ts';
import { tf } from './backends.ts';
import { makeTask, type TaskName, taskNames } from './tasks.ts';

export const variants = ['float32', '127x127', '127x63'] as const;
export type Variant = (typeof variants)[number];

/** Right operands on the grid of 63 before the contraction, which then finds the same exponents and even values. */
function useRightRange63(kernels: ExactKernels): void {
  const coarse = (b: Float32Array, matrices: number, vectors: VectorLayout): Float32Array => {
    const out = kernels.allocate('float32', b.length);
    const blocks = Math.ceil(vectors.length / contractionBlock);
    const exponents = new Int32Array(vectors.count * blocks);
    const size = vectors.count * vectors.length;
    for (let matrix = 0; matrix < matrices; matrix++) {
      const source = b.subarray(matrix * size, (matrix + 1) * size);
      const target = out.subarray(matrix * size, (matrix + 1) * size);
      blockExponents(exponents, source, vectors);
      for (let v = 0; v < vectors.count; v++)
        for (let i = 0; i < vectors.length; i++) {
          const at = v * vectors.vectorStride + i * vectors.elementStride;
          const scale = 2 ** (6 - exponents[v * blocks + Math.floor(i / contractionBlock)]!);
          const scaled = source[at]! * scale;
          const rounded = Math.fround(Math.fround(scaled + 12_582_912) - 12_582_912);
          target[at] = Math.min(Math.max(rounded, -63), 63) / scale;
        }
    }
    return out;
  };
  const columns = (count: number, length: number): VectorLayout => ({
    count,
    length,
    vectorStride: 1,
    elementStride: count,
  });
  const { matMul, conv2d, conv2dFilterGradient } = kernels;
  Object.assign(kernels, {
    matMul: (...[out, a, b, shape]: Parameters<ExactKernels['matMul']>) => {
      const { k, n, transposeB, bBatchStride, batch } = shape;
      const vectors = transposeB ? { count: n, length: k, vectorStride: k, elementStride: 1 } : columns(n, k);
      const right = coarse(b, bBatchStride === 0 ? 1 : batch, vectors);
      matMul(out, a, right, shape);
      kernels.free(right);
    },
    conv2d: (...[out, x, filter, geometry]: Parameters<ExactKernels['conv2d']>) => {
      const right = coarse(filter, 1, columns(geometry.outChannels, filter.length / geometry.outChannels));
      conv2d(out, x, right, geometry);
      kernels.free(right);
    },
    conv2dFilterGradient: (...[out, x, dy, geometry]: Parameters<ExactKernels['conv2dFilterGradient']>) => {
      const right = coarse(dy, 1, columns(geometry.outChannels, dy.length / geometry.outChannels));
      conv2dFilterGradient(out, x, right, geometry);
      kernels.free(right);
    },
  });
}

const [name, variant, seedText, stepsText] = process.argv.slice(2) as [TaskName, Variant, string, string];
if (!taskNames.includes(name) || !variants.includes(variant))
  throw new Error(`usage: quality.ts ${taskNames.join('|')} ${variants.join('|')} SEED STEPS`);
tf.enableProdMode();
if (variant === 'float32') {
  await loadTfjsNode();
  await tf.setBackend('tensorflow');
} else {
  const kernels = { ...createWasmKernels({ threads: 1 }) };
  registerExactBackend({ kernels });
  if (variant === '127x63') useRightRange63(kernels); // after the start-up vectors, which would refuse it
  await tf.setBackend('exact');
}
await tf.ready();
const task = await makeTask(name, Number(seedText));
const optimizer = tf.train.adam(task.rate);
const losses: number[] = [];
const start = performance.now();
for (let step = 0; step < Number(stepsText); step++)
  tf.tidy(() => {
    const [x, y] = task.batch();
    const { value, grads } = tf.variableGrads(() => task.model.loss(x, y), task.model.variables);
    optimizer.applyGradients(task.model.variables.map(({ name: key }) => ({ name: key, tensor: grads[key]! })));
    losses.push(value.dataSync()[0]!);
  });
const seconds = (performance.now() - start) / 1000;
const last = losses.slice(-50).reduce((a, b) => a + b) / Math.min(50, losses.length);
console.log(
  JSON.stringify({
    name,
    variant,
    seed: Number(seedText),
    steps: losses.length,
    trainingLoss: last,
    validation: task.validate(),
    stepsPerSecond: losses.length / seconds,
    losses: losses.filter((_, i) => i % 10 === 9),
  }),
);
process.exit(0);
