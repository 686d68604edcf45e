// §5: the sum's tree, and what else reduces an axis.
import type { Reduction, ReductionExtent } from '../kernels.ts';
import { div, largest, mul, N } from './float.ts';

const { ceil, fround, min } = Math;

const block = 64;
const folded = new Float32Array(block);

/** S over list[0..count-1]. The list is used as working memory. */
export function S(list: Float32Array, count = list.length): number {
  return tree(list, count, 0, (a, b) => a + b, N);
}

function product(list: Float32Array, count: number): number {
  return tree(list, count, 1, mul, N);
}

/** Blocks of 64 to one value each, until one value is left. */
function tree(
  list: Float32Array,
  count: number,
  neutral: number,
  combine: (a: number, b: number) => number,
  finish: (x: number) => number,
): number {
  if (count === 0) return neutral;
  let left = count;
  do {
    const blocks = ceil(left / block);
    for (let b = 0; b < blocks; b++) {
      folded.fill(neutral);
      folded.set(list.subarray(b * block, min(left, (b + 1) * block)));
      for (let half = block / 2; half >= 1; half /= 2)
        for (let i = 0; i < half; i++) folded[i] = combine(folded[i] as number, folded[i + half] as number);
      list[b] = finish(folded[0] as number);
    }
    left = blocks;
  } while (left > 1);
  return list[0] as number;
}

const listReductions: Record<Reduction, (list: Float32Array) => number> = {
  sum: S,
  mean: (list) => div(S(list), fround(list.length)),
  max: (list) => list.reduce((a, b) => (b > a ? b : a), -largest),
  min: (list) => list.reduce((a, b) => (b < a ? b : a), largest),
  prod: (list) => product(list, list.length),
};

/** Copies each list along the middle axis and hands it over with the index of its result. */
function eachList(
  x: Float32Array,
  { outer, length, inner }: ReductionExtent,
  take: (index: number, list: Float32Array) => void,
): void {
  const list = new Float32Array(length);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) {
      for (let l = 0; l < length; l++) list[l] = x[(o * length + l) * inner + i] as number;
      take(o * inner + i, list);
    }
}

export function reduce(operation: Reduction, out: Float32Array, x: Float32Array, extent: ReductionExtent): void {
  const result = listReductions[operation];
  eachList(x, extent, (index, list) => {
    out[index] = result(list);
  });
}

export function argReduce(
  operation: 'argMax' | 'argMin',
  out: Int32Array,
  x: Float32Array,
  extent: ReductionExtent,
): void {
  eachList(x, extent, (index, list) => {
    let best = 0;
    list.forEach((value, position) => {
      const known = list[best] as number;
      if (operation === 'argMax' ? value > known : value < known) best = position;
    });
    out[index] = best;
  });
}
