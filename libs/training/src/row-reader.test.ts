import { describe, expect, it } from '@jest/globals';
import { type JobHeader, rowIndices } from '@cotrain/protocol';
import fc from 'fast-check';
import { BatchStream, RowReader } from './row-reader.ts';

/** A view whose bytes follow from their place, so that any size can be read without being stored. */
function endlessView(length: number): {
  length: number;
  reads: number;
  read(offset: number, count: number): Promise<Uint8Array>;
} {
  return {
    length,
    reads: 0,
    read(offset, count) {
      this.reads++;
      if (offset < 0 || offset + count > length) return Promise.reject(new RangeError('beyond the view'));
      return Promise.resolve(Uint8Array.from({ length: count }, (_, i) => byteAt(offset + i)));
    },
  };
}

const byteAt = (position: number): number => (position * 2_654_435_761) % 251;

describe('RowReader', () => {
  it('returns the rows asked for, whatever their size and order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9_000 }),
        fc.integer({ min: 1, max: 300 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.integer({ min: 1, max: 100_000 }),
        async (rowBytes, rowCount, picks, cacheBytes) => {
          const reader = new RowReader(endlessView(rowBytes * rowCount), rowBytes, { cacheBytes });
          const rows = picks.map((pick) => pick % rowCount);
          const expected = rows.flatMap((row) =>
            Array.from({ length: rowBytes }, (_, i) => byteAt(row * rowBytes + i)),
          );
          expect([...(await reader.read(rows))]).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps to its budget in a view larger than any memory', async () => {
    const rowBytes = 1_000;
    const rows = 10n ** 9n;
    const view = endlessView(rowBytes * Number(rows));
    const reader = new RowReader(view, rowBytes, { cacheBytes: 256 * 1_024 });
    const header = { seed: 5n, rows, rowBytes, batchSize: 32, steps: 100 } as JobHeader;
    const stream = new BatchStream(header, reader);
    for (let step = 0; step < header.steps; step++) {
      const batch = await stream.batch(step);
      const [first] = rowIndices(5n, step, 32, rows) as [number];
      expect(batch[0]).toBe(byteAt(first * rowBytes));
      expect(reader.cachedBytes).toBeLessThanOrEqual(256 * 1_024);
    }
  });

  it('reads a view that fits once', async () => {
    const view = endlessView(2_000_000);
    const reader = new RowReader(view, 100);
    for (let round = 0; round < 5; round++) await reader.read(Array.from({ length: 500 }, (_, i) => (i * 37) % 20_000));
    expect(view.reads).toBeLessThanOrEqual(4);
  });
});
