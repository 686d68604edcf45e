// Trains one model and prints its losses and validation: node test/quality.ts MODEL VARIANT SEED STEPS.
// Variants: float32 (TensorFlow.js WASM), 127x127 (exact/1), 127x63 (its right operands rounded to 6 bits and a sign).
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { contractionBlock } from '../src/contraction-ranges.ts';
import type { ExactKernels, VectorLayout } from '../src/kernels.ts';
import { registerExactBackend } from '../src/backend/register.ts';
import { blockExponents } from '../src/reference/contraction.ts';
import { createWasmKernels } from '../src/wasm/wasm-kernels.ts';
import { tf } from './backends.ts';
import { loadDigits, pixelsPerDigit } from './data.ts';
import { denseModel, type TestModel, transformerModel } from './models.ts';
import { generator } from './values.ts';

const require = createRequire(import.meta.url);

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
  const { matMul } = kernels;
  Object.assign(kernels, {
    matMul: (...[out, a, b, shape]: Parameters<ExactKernels['matMul']>) => {
      const { k, n, transposeB, bBatchStride, batch } = shape;
      const vectors = transposeB ? { count: n, length: k, vectorStride: k, elementStride: 1 } : columns(n, k);
      const right = coarse(b, bBatchStride === 0 ? 1 : batch, vectors);
      matMul(out, a, right, shape);
      kernels.free(right);
    },
  });
}

/** The gradient of gather, which the WASM package lacks. */
function addSegmentSum(): void {
  tf.registerKernel({
    kernelName: 'UnsortedSegmentSum',
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => {
      const { x, segmentIds } = inputs as unknown as Record<'x' | 'segmentIds', tf.Tensor>;
      const { numSegments } = attrs as { numSegments: number };
      const width = x.size / segmentIds.size;
      const sums = new Float32Array(numSegments * width);
      const values = tf.backend().readSync(x.dataId) as Float32Array;
      (tf.backend().readSync(segmentIds.dataId) as Int32Array).forEach((id, row) => {
        for (let i = 0; i < width; i++) sums[id * width + i]! += values[row * width + i]!;
      });
      const shape = [numSegments, ...x.shape.slice(1)];
      return { dataId: tf.backend().write(sums, shape, 'float32'), shape, dtype: 'float32' };
    },
  });
}

interface Task {
  model: TestModel;
  rate: number;
  batch(): [tf.Tensor, tf.Tensor];
  validate(): number;
}

function digitsTask(seed: number): Task {
  const digits = loadDigits();
  const training = digits.count - 1000;
  const random = generator(seed * 31);
  const model = denseModel([784, 256, 128, 10], seed);
  return {
    model,
    rate: 1e-3,
    batch: () => {
      const rows = Array.from({ length: 64 }, () => Math.floor(random() * training));
      const pixels = new Float32Array(64 * pixelsPerDigit);
      rows.forEach((row, i) => {
        pixels.set(digits.pixels.subarray(row * pixelsPerDigit, (row + 1) * pixelsPerDigit), i * pixelsPerDigit);
      });
      return [
        tf.tensor(pixels, [64, pixelsPerDigit]),
        tf.tensor(
          Int32Array.from(rows, (row) => digits.labels[row]!),
          [64],
          'int32',
        ),
      ];
    },
    validate: () =>
      tf.tidy(() => {
        const x = tf.tensor(digits.pixels.slice(training * pixelsPerDigit), [1000, pixelsPerDigit]);
        const found = tf.argMax(model.predict(x), 1).dataSync<'int32'>();
        return found.reduce((right, label, i) => right + (label === digits.labels[training + i] ? 1 : 0), 0) / 10;
      }),
  };
}

const sequence = 32;

/** Source code by characters. */
function textTask(seed: number): Task {
  const file = `${dirname(require.resolve('typescript/package.json'))}/lib/lib.dom.d.ts`;
  const text = Int32Array.from(readFileSync(file, 'latin1').slice(0, 600_000), (letter) => {
    const code = letter.charCodeAt(0);
    return code >= 32 && code < 127 ? code - 32 : 95;
  });
  const model = transformerModel({ vocabulary: 96, width: 64, heads: 4, layers: 2, length: sequence }, seed);
  const drawFrom = (random: () => number, low: number, high: number): [tf.Tensor, tf.Tensor] => {
    const starts = Array.from({ length: 16 }, () => low + Math.floor(random() * (high - low - sequence - 1)));
    const take = (shift: number): tf.Tensor =>
      tf.tensor(
        Int32Array.from(starts.flatMap((at) => [...text.subarray(at + shift, at + shift + sequence)])),
        [16, sequence],
        'int32',
      );
    return [take(0), take(1)];
  };
  const random = generator(seed * 31);
  return {
    model,
    rate: 2e-3,
    batch: () => drawFrom(random, 0, 550_000),
    validate: () => {
      const held = generator(123);
      const losses = Array.from({ length: 20 }, () =>
        tf.tidy(() => model.loss(...drawFrom(held, 550_000, 600_000)).dataSync()[0]!),
      );
      return losses.reduce((a, b) => a + b) / losses.length;
    },
  };
}

const [name, variant, seedText, stepsText] = process.argv.slice(2) as [string, string, string, string];
tf.enableProdMode();
if (variant === 'float32') {
  setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep);
  await tf.setBackend('wasm');
  addSegmentSum();
} else {
  const kernels = { ...createWasmKernels({ threads: 1 }) };
  registerExactBackend({ kernels });
  if (variant === '127x63') useRightRange63(kernels); // after the start-up vectors, which would refuse it
  await tf.setBackend('exact');
}
await tf.ready();
const task = name === 'mlp' ? digitsTask(Number(seedText)) : textTask(Number(seedText));
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
