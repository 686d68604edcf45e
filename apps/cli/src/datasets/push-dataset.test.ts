import { expect, it } from '@jest/globals';
import { referenceOf } from '@cotrain/swarm';
import { decodeDatasetManifest, type Reference, type ViewColumn } from '@cotrain/protocol';
import { type DatasetSource, pushDataset } from './push-dataset.ts';

class Shelf {
  readonly files = new Map<Reference, Buffer>();
  largestPiece = 0;

  async upload(data: Uint8Array | AsyncIterable<Uint8Array>): Promise<Reference> {
    const pieces: Uint8Array[] = [];
    if (data instanceof Uint8Array) pieces.push(data);
    else
      for await (const piece of data) {
        this.largestPiece = Math.max(this.largestPiece, piece.length);
        pieces.push(piece.slice());
      }
    const bytes = Buffer.concat(pieces);
    const reference = referenceOf(bytes);
    this.files.set(reference, bytes);
    return reference;
  }
}

const columns: ViewColumn[] = [
  { name: 'x', role: 'input', dtype: 'uint8', shape: [9] },
  { name: 'y', role: 'target', dtype: 'uint8', shape: [] },
];
const rowsOf = (count: number) =>
  function* (): Generator<Uint8Array> {
    for (let row = 0; row < count; row++) yield new Uint8Array(10).fill(row % 251);
  };
const source = (count: number): DatasetSource => ({
  name: 'rows',
  license: 'MIT',
  columns,
  splits: { train: rowsOf(count), test: rowsOf(3) },
});

it('uploads each split as its rows, one after the other, and a manifest that says so', async () => {
  const shelf = new Shelf();
  const { manifest, manifestReference, bytes } = await pushDataset(shelf, source(20_000));
  const train = manifest.splits['train'];
  expect(shelf.files.get(train?.viewReference ?? '0x')).toEqual(Buffer.concat([...rowsOf(20_000)()]));
  expect(train).toMatchObject({ rows: 20_000, rowBytes: 10 });
  expect(decodeDatasetManifest(shelf.files.get(manifestReference) ?? Buffer.of())).toEqual(manifest);
  expect(bytes).toBe(200_030);
});

it('takes rows in bounded pieces, whatever their number, and tells how many there were', async () => {
  const shelf = new Shelf();
  const told: string[] = [];
  await pushDataset(shelf, source(50_000), (split, rows) => told.push(`${split} ${String(rows)}`));
  expect(shelf.largestPiece).toBeLessThan(2 * 65_536);
  expect(told).toContain('train 50000');
  expect(told.at(-1)).toBe('test 3');
});

it('gives the same reference when it is repeated', async () => {
  const [first, second] = [await pushDataset(new Shelf(), source(99)), await pushDataset(new Shelf(), source(99))];
  expect(second.manifestReference).toBe(first.manifestReference);
});

it('refuses a split without rows', async () => {
  await expect(pushDataset(new Shelf(), source(0))).rejects.toThrow(/Split train has no rows/);
});
