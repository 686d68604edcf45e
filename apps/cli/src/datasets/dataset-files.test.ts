import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { decodeRows, type ViewColumn } from '@cotrain/protocol';
import fc from 'fast-check';
import { CommandError } from '../client/errors.ts';
import { checkDescription } from './check-description.ts';
import { inferCsvColumns, layOutCsv, readCsvHeader, readCsvRows } from './csv-rows.ts';
import { readLines } from './delimited-lines.ts';
import { readJsonRows } from './json-rows.ts';
import { mnistColumns, mnistTestRows, readMnist } from './mnist.ts';

const folder = mkdtempSync(join(tmpdir(), 'cotrain-dataset-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
let files = 0;
function fileOf(text: string, extension = 'csv'): string {
  const file = join(folder, `${String(files++)}.${extension}`);
  writeFileSync(file, text);
  return file;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function refusal(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  }
  throw new Error('it was not refused');
}

const columns: ViewColumn[] = [
  { name: 'image', role: 'input', dtype: 'uint8', shape: [2, 2] },
  { name: 'weight', role: 'input', dtype: 'float32', shape: [] },
  { name: 'digit', role: 'target', dtype: 'int32', shape: [] },
];

async function csvRows(text: string): Promise<number[][]> {
  const file = fileOf(text);
  const names = await readCsvHeader(file);
  const layout = layOutCsv(file, names, columns);
  const rows = await all(readCsvRows(file, names, layout));
  return rows.map((row) => [...decodeRows(columns, row, 1).values()].flatMap((values) => [...values]));
}

describe('lines of a file', () => {
  it('are the same however the file is cut into reads', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'ü', '🙂', ' ', ','), maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 20 }), fc.constantFrom('\n', '\r\n'), async (lines, end) => {
        const file = fileOf(lines.map((text) => text + end).join(''));
        const read = await all(readLines(file));
        expect(read.map(({ text }) => text)).toEqual(lines);
        expect(read.map(({ number }) => number)).toEqual(lines.map((_, index) => index + 1));
        rmSync(file);
      }),
      { numRuns: 50 },
    );
  });

  it('need no end on the last one, and no byte order mark counts', async () => {
    expect((await all(readLines(fileOf('\uFEFFa\nb')))).map(({ text }) => text)).toEqual(['a', 'b']);
    expect(await all(readLines(fileOf('')))).toEqual([]);
  });

  it('join what lies in several reads', async () => {
    const long = 'x'.repeat(700_000);
    const read = await all(readLines(fileOf(`${long}\n${long}\n`)));
    expect(read.map(({ text, bytesRead }) => [text.length, bytesRead])).toEqual([
      [700_000, 700_001],
      [700_000, 1_400_002],
    ]);
  });

  it('are refused when one is too long to be a row, or the file is not there', async () => {
    const file = fileOf('short\nmuch too long\n');
    expect(await refusal(() => all(readLines(file, 8)))).toBe(
      `${file}, line 2: the line has more than 8 bytes. Is it a text file with one row a line?`,
    );
    expect(await refusal(() => all(readLines(join(folder, 'nothing.csv'))))).toMatch(
      /nothing\.csv cannot be read: ENOENT/,
    );
  });
});

describe('a CSV file', () => {
  it('gives the rows of the view, wherever its columns stand', async () => {
    expect(await csvRows('digit,image0,image1,image2,image3,weight\n7,1,2,3,255,0.5\n\n-3,4,"5",6,7,-1e3\n')).toEqual([
      [1, 2, 3, 255, 0.5, 7],
      [4, 5, 6, 7, -1_000, -3],
    ]);
  });

  it.each(['image.%', 'image_%', 'image[%]'])('numbers the elements of a column like %s, from 0 or 1', async (form) => {
    for (const first of [0, 1]) {
      const names = [0, 1, 2, 3].map((index) => form.replace('%', String(index + first)));
      expect(await csvRows(`${names.join(',')},weight,digit\n9,8,7,6,5,4\n`)).toEqual([[9, 8, 7, 6, 5, 4]]);
    }
  });

  it.each([
    ['image0,image1,image2,image3,weight,digit\n1,2,3,4,5\n', 'line 2: has 5 fields; the first line names 6'],
    ['image0,image1,image2,image3,weight,digit\n1,2,3,256,5,6\n', 'line 2: column image3 is "256", which is no uint8'],
    [
      'image0,image1,image2,image3,weight,digit\n1,2,3,4,5,6\n1,2,3,,5,6\n',
      'line 3: column image3 is "", which is no uint8',
    ],
    [
      'image0,image1,image2,image3,weight,digit\n1,2,3,4,nan,6\n',
      'line 2: column weight is "nan", which is no float32',
    ],
    [
      'image0,image1,image2,image3,weight,digit\n1,2,3,4,1e39,6\n',
      'line 2: column weight is "1e39", which is no float32',
    ],
    ['image0,image1,image2,image3,weight,digit\n1,2,3,4,5,0x10\n', 'line 2: column digit is "0x10", which is no int32'],
    ['image0,image1,image2,image3,weight,digit\n1,2,3,4,5,"6\n', 'line 2: the quote of field 6 is not closed'],
    ['image0,image1,image3,weight,digit\n', 'column image needs image0 to image3 in the first line, which has 3 of 4'],
    ['image0,image1,image2,image3,digit\n', 'column weight needs weight in the first line'],
    ['a,b,a\n', 'line 1: column a is there twice'],
    ['a,,b\n', 'line 1: a column has no name'],
    ['', 'is empty. Its first line must name the columns'],
  ])('is refused with line, column and value: %j', async (text, reason) => {
    expect(await refusal(() => csvRows(text))).toContain(reason);
  });

  it('of numbers needs only the name of the target', async () => {
    const file = fileOf('a,species,b\n1,0,2\n3,2,4.5\n');
    const names = await readCsvHeader(file);
    const layout = inferCsvColumns(file, names, 'species');
    const inferred = layout.map(({ column }) => column);
    const rows = await all(readCsvRows(file, names, layout));
    expect(rows.map((row) => [...decodeRows(inferred, row, 1).values()].flatMap((v) => [...v]))).toEqual([
      [1, 2, 0],
      [3, 4.5, 2],
    ]);
    expect(() => inferCsvColumns(file, names, 'digit')).toThrow(
      /--target is digit; the columns of .* are a, species, b/,
    );
    expect(() => inferCsvColumns(file, ['species'], 'species')).toThrow(/no column beside the target/);
  });
});

describe('a file of JSON lines', () => {
  it('gives the rows of the view', async () => {
    const file = fileOf('{"image":[[1,2],[3,4]],"weight":0.5,"digit":7}\n', 'jsonl');
    const [row = new Uint8Array()] = await all(readJsonRows(file, columns));
    expect([...decodeRows(columns, row, 1).values()].flatMap((values) => [...values])).toEqual([1, 2, 3, 4, 0.5, 7]);
  });

  it.each([
    ['{"image":[1,2,3],"weight":0,"digit":7}', /line 1: row: image has 3 values instead of 4/],
    ['{"image":[1,2,3,"4"],"weight":0,"digit":7}', /line 1: row: image\[3\] is NaN/],
    ['{"image":[1,2,3,4],"digit":7}', /line 1: row: weight has 0 values/],
    ['[1]', /line 1: it is no JSON object/],
    ['{', /line 1: .*JSON/],
  ])('is refused with line and column: %s', async (text, reason) => {
    expect(await refusal(() => all(readJsonRows(fileOf(text, 'jsonl'), columns)))).toMatch(reason);
  });
});

describe('the description of a dataset', () => {
  const described = { name: 'digits', license: 'CC0-1.0' };

  it('is checked before anything is uploaded', () => {
    expect(checkDescription(described, columns)).toEqual(columns);
    const wrong: [object, unknown, RegExp][] = [
      [described, [{ ...columns[0], dtype: 'float64' }], /columns\.0\.dtype/],
      [described, [{ ...columns[0], colour: 'red' }], /columns\.0/],
      [described, [columns[1], columns[1]], /two columns have the same name/],
      [described, { image: 1 }, /columns/],
      [{ ...described, name: '' }, columns, /name/],
    ];
    for (const [description, bad, reason] of wrong) expect(() => checkDescription(description, bad)).toThrow(reason);
  });
});

describe('MNIST', () => {
  it('has other digits for testing than for training', () => {
    const { train, test } = readMnist();
    const first = (rows: Generator<Uint8Array>, count: number): string[] =>
      Array.from({ length: count }, () =>
        Buffer.from((rows.next().value as Uint8Array | undefined) ?? []).toString('latin1'),
      );
    const trained = new Set(first(train(), 500));
    expect(trained.size).toBe(500);
    expect(first(test(), 500).filter((picture) => trained.has(picture))).toEqual([]);
    expect([...test()]).toHaveLength(mnistTestRows);
  });

  it('moves a digit without changing it: by one pixel, with background coming in', () => {
    const rows = [];
    for (const row of readMnist().train()) {
      rows.push(decodeRows(mnistColumns, row, 1).get('image') ?? new Float32Array());
      if (rows.length === 5) break;
    }
    const [original = new Float32Array(), right = new Float32Array(), , down = new Float32Array()] = rows;
    expect([...right.slice(1)].filter((_, index) => (index + 1) % 28 !== 0)).toEqual(
      [...original.slice(0, -1)].filter((_, index) => (index + 1) % 28 !== 0),
    );
    expect([...right].filter((value, index) => index % 28 === 0 && value !== 0)).toEqual([]);
    expect([...down.slice(28)]).toEqual([...original.slice(0, -28)]);
  });
});
