// Small models of each kind, with rows that look like nothing else in a step.
import { philox4x32 } from '@cotrain/protocol';
import { dropoutMask } from '../src/backend/training.ts';
import { tf } from './backends.ts';
import { convolutionalModel, denseModel, type TestModel, transformerModel } from './models.ts';
import type { OptimizerName, ProgramTask } from './program-steps.ts';

const word = (seed: number, i: number): number => philox4x32([i, seed, 0, 99], [1, 2])[0];

/** Rows of float32 numbers from -1 to 1 and then a class in a byte. */
function labelledRows(batchSize: number, numbers: number, classes: number) {
  const rowBytes = 4 * numbers + 1;
  const rows = (seed: number): Uint8Array => {
    const bytes = new Uint8Array(batchSize * rowBytes);
    const view = new DataView(bytes.buffer);
    for (let row = 0; row < batchSize; row++) {
      for (let i = 0; i < numbers; i++)
        view.setFloat32(row * rowBytes + 4 * i, word(seed, row * numbers + i) / 2 ** 31 - 1, true);
      bytes[(row + 1) * rowBytes - 1] = word(seed + 1000, row) % classes;
    }
    return bytes;
  };
  const batch = (bytes: Uint8Array): [tf.Tensor, tf.Tensor] => {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const x = Float32Array.from({ length: batchSize * numbers }, (_, i) =>
      view.getFloat32(Math.floor(i / numbers) * rowBytes + 4 * (i % numbers), true),
    );
    const y = Int32Array.from({ length: batchSize }, (_, row) => bytes[(row + 1) * rowBytes - 1]!);
    return [tf.tensor(x, [batchSize, numbers]), tf.tensor1d(y, 'int32')];
  };
  return {
    ...{ batchSize, rowBytes, rows, batch, seed: 0x1234_5678_9abcn, place: { step: 0 } },
    columns: [
      { offset: 0, dtype: 'float32' as const, elements: numbers },
      { offset: 4 * numbers, dtype: 'uint8' as const, elements: 1 },
    ],
  };
}

/** Rows of tokens and the tokens that follow, a byte each. */
function tokenRows(batchSize: number, length: number, vocabulary: number) {
  const rowBytes = 2 * length;
  const part = (bytes: Uint8Array, first: number): tf.Tensor =>
    tf.tensor(
      Int32Array.from(
        { length: batchSize * length },
        (_, i) => bytes[Math.floor(i / length) * rowBytes + first + (i % length)]!,
      ),
      [batchSize, length],
      'int32',
    );
  return {
    ...{ batchSize, rowBytes, seed: 0xfedc_ba98n, place: { step: 0 } },
    rows: (seed: number) => Uint8Array.from({ length: batchSize * rowBytes }, (_, i) => word(seed, i) % vocabulary),
    batch: (bytes: Uint8Array): [tf.Tensor, tf.Tensor] => [part(bytes, 0), part(bytes, length)],
    columns: [
      { offset: 0, dtype: 'uint8' as const, elements: length },
      { offset: length, dtype: 'uint8' as const, elements: length },
    ],
  };
}

/** A dense model whose inputs are dropped at random. */
function withDropout(model: TestModel, seed: bigint, place: { step: number }): TestModel {
  const drop = (x: tf.Tensor): tf.Tensor =>
    tf.mul(x, dropoutMask(x.shape, { seed, step: place.step, substream: 2, stream: 3, rate: 0.25 }));
  return { ...model, loss: (x, y) => model.loss(drop(x), y) };
}

export function denseTask(optimizer: OptimizerName, sizes = [6, 5, 3], batchSize = 4): ProgramTask {
  const data = labelledRows(batchSize, sizes[0]!, sizes.at(-1)!);
  return { ...data, optimizer, model: withDropout(denseModel(sizes), data.seed, data.place) };
}

export function convolutionalTask(optimizer: OptimizerName, batchSize = 2): ProgramTask {
  return { ...labelledRows(batchSize, 784, 10), optimizer, model: convolutionalModel([2, 3]) };
}

export function transformerTask(optimizer: OptimizerName, batchSize = 3, length = 30): ProgramTask {
  const sizes = { vocabulary: 13, width: 8, heads: 2, layers: 1, length };
  return { ...tokenRows(batchSize, length, sizes.vocabulary), optimizer, model: transformerModel(sizes) };
}
