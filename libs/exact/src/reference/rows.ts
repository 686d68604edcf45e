// §10
import { S } from './reductions.ts';

export function gatherRows(
  out: Float32Array,
  x: Float32Array,
  indices: Int32Array,
  tableRows: number,
  width: number,
): void {
  indices.forEach((index, i) => {
    if (index >= 0 && index < tableRows) out.set(x.subarray(index * width, (index + 1) * width), i * width);
    else out.fill(0, i * width, (i + 1) * width);
  });
}

export function segmentSum(out: Float32Array, x: Float32Array, ids: Int32Array, segments: number, width: number): void {
  const members = Array.from({ length: segments }, (): number[] => []);
  ids.forEach((id, row) => members[id]?.push(row));
  members.forEach((rows, segment) => {
    for (let column = 0; column < width; column++)
      out[segment * width + column] = S(Float32Array.from(rows, (row) => x[row * width + column] as number));
  });
}
