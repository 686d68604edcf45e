import type { Floats } from './inner-operations.ts';
import type { Primitives } from './primitives.ts';
import { sumRows } from './reductions.ts';

// §10. Indices are known to the host, which works out who goes where.

/** Rows of a matrix by their numbers; those outside are zeros. */
export function gatherRows(p: Primitives, table: Floats, indices: Int32Array): Floats {
  const [tableRows = 0, width = 1] = table.shape;
  const isInside = (index: number): boolean => index >= 0 && index < tableRows;
  if (tableRows === 0 || indices.length === 0) return p.full([indices.length, width], 0);
  return p.tidy(() => {
    const allInside = indices.every(isInside);
    const all = allInside ? table : p.concat([table, p.full([1, width], 0)], 0);
    const places = allInside ? indices : indices.map((index) => (isInside(index) ? index : tableRows));
    return p.gather(all, p.upload(places.slice(), [places.length], 'int32'));
  });
}

const block = 64;

function append(lists: Map<number, number[]>, id: number, row: number): void {
  const list = lists.get(id);
  if (list === undefined) lists.set(id, [row]);
  else list.push(row);
}

/**
 * Row s of the result is S over the rows of x whose id is s. All segments are added up side by side, a level of S (64
 * rows of each) at a time.
 */
export function segmentSum(p: Primitives, x: Floats, ids: Int32Array, segments: number): Floats {
  const [, width = 1] = x.shape;
  p.reserve([segments, width]);
  if (segments * width === 0) return p.empty([segments, width]);
  const members = new Map<number, number[]>();
  ids.forEach((id, row) => {
    if (id >= 0 && id < segments) append(members, id, row);
  });
  return p.tidy(() => {
    let rows = x;
    let lists = [...members];
    while (lists.some(([, list]) => list.length > 1)) {
      const chunks = lists.flatMap(([id, list]) =>
        Array.from({ length: Math.ceil(list.length / block) }, (_, i) => ({
          id,
          rows: list.slice(i * block, (i + 1) * block),
        })),
      );
      const depth = Math.max(...chunks.map((chunk) => chunk.rows.length));
      // Row i of every chunk side by side; -1 stands for the zeros that continue a chunk.
      const places = new Int32Array(depth * chunks.length).fill(-1);
      chunks.forEach((chunk, at) => {
        chunk.rows.forEach((row, i) => (places[i * chunks.length + at] = row));
      });
      const level = p.reshape(gatherRows(p, rows, places), [depth, chunks.length * width]);
      rows = p.reshape(sumRows(p, level), [chunks.length, width]);
      const next = new Map<number, number[]>();
      chunks.forEach(({ id }, at) => {
        append(next, id, at);
      });
      lists = [...next];
    }
    const places = new Int32Array(segments).fill(-1);
    for (const [id, [row]] of lists) places[id] = row as number;
    return gatherRows(p, rows, places);
  });
}
