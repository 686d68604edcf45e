import type { Reduction, ReductionExtent } from '../kernels.ts';
import { largest } from '../reference/float.ts';
import { exp, log } from './functions.ts';
import type { Floats, InnerTensor } from './inner-operations.ts';
import type { Primitives } from './primitives.ts';

// §5, §7. x is [outer, length, inner] in whatever shape; results are [outer, inner].

const block = 64;

/** The smallest power of two that is at least n. */
const powerAbove = (n: number): number => 2 ** Math.ceil(Math.log2(n));

/** Blocks of 64 rows to one row each, until one is left. Rows of what is missing hold `neutral`. */
function tree(
  p: Primitives,
  list: Floats,
  neutral: number,
  combine: (a: Floats, b: Floats) => Floats,
  finish: (x: Floats) => Floats,
): Floats {
  return p.tidy(() => {
    let rows = list;
    do {
      const [count = 1, width = 1] = rows.shape;
      const blocks = Math.ceil(count / block);
      const depth = blocks > 1 ? block : powerAbove(count);
      rows = p.tidy(() => {
        const missing = blocks * depth - count;
        const all = missing > 0 ? p.concat([rows, p.full([missing, width], neutral)], 0) : rows;
        let level =
          blocks > 1
            ? p.reshape(p.transpose(p.reshape(all, [blocks, depth, width]), [1, 0, 2]), [depth, blocks * width])
            : all;
        for (let half = depth / 2; half >= 1; half /= 2)
          level = combine(p.rows(level, 0, half), p.rows(level, half, half));
        return p.reshape(finish(level), [blocks, width]);
      });
    } while ((rows.shape[0] as number) > 1);
    return rows;
  });
}

/** Rows of a matrix, added up by S. */
export function sumRows(p: Primitives, rows: Floats): Floats {
  const [count = 0, width = 1] = rows.shape;
  if (count === 0 || width === 0) return p.full([1, width], 0);
  return tree(
    p,
    rows,
    0,
    (a, b) => p.plus(a, b),
    (x) => p.normal(x),
  );
}

/** x as a matrix [length, outer * inner]. */
function asRows(p: Primitives, x: Floats, { outer, length, inner }: ReductionExtent): Floats {
  const lists = p.reshape(x, [outer, length, inner]);
  return p.reshape(p.transpose(lists, [1, 0, 2]), [length, outer * inner]);
}

function sum(p: Primitives, x: Floats, extent: ReductionExtent): Floats {
  return sumRows(p, asRows(p, x, extent));
}

function product(p: Primitives, x: Floats, extent: ReductionExtent): Floats {
  const multiply = (a: Floats, b: Floats): Floats => p.mul(a, b);
  return tree(p, asRows(p, x, extent), 1, multiply, (rows) => rows);
}

function extreme(p: Primitives, kernel: 'Max' | 'Min', x: Floats, { outer, length, inner }: ReductionExtent): Floats {
  const lists = p.reshape(x, [outer, length, inner]);
  const name = kernel === 'Max' ? 'reductionIndices' : 'axis';
  return p.run(kernel, { x: lists }, { [name]: [1], keepDims: false });
}

const ofNothing: Record<Reduction, number> = { sum: 0, mean: 0, max: -largest, min: largest, prod: 1 };

const functions: Record<Reduction, (p: Primitives, x: Floats, extent: ReductionExtent) => Floats> = {
  sum,
  mean: (p, x, extent) => p.div(sum(p, x, extent), extent.length),
  max: (p, x, extent) => extreme(p, 'Max', x, extent),
  min: (p, x, extent) => extreme(p, 'Min', x, extent),
  prod: product,
};

export function reduce(p: Primitives, operation: Reduction, x: Floats, extent: ReductionExtent): Floats {
  const { outer, length, inner } = extent;
  if (outer * length * inner === 0) return p.full([outer, inner], ofNothing[operation]);
  return p.tidy(() => p.reshape(functions[operation](p, x, extent), [outer, inner]));
}

/** The first position of the extreme: the smallest of all positions that hold it. */
export function argReduce(
  p: Primitives,
  operation: 'argMax' | 'argMin',
  x: Floats,
  extent: ReductionExtent,
): InnerTensor<'int32'> {
  const { outer, length, inner } = extent;
  return p.tidy(() => {
    const lists = p.reshape(x, [outer, length, inner]);
    const best = reduce(p, operation === 'argMax' ? 'max' : 'min', x, extent);
    const isBest = p.compare('Equal', lists, p.reshape(best, [outer, 1, inner]));
    const positions = p.upload(
      Float32Array.from({ length }, (_, i) => i),
      [1, length, 1],
      'float32',
    );
    const first = extreme(p, 'Min', p.select(isBest, positions, length), extent);
    return p.run<'int32'>('Cast', { x: first }, { dtype: 'int32' });
  });
}

/** Along the last axis of [rows, columns]. */
export function softmax(
  p: Primitives,
  operation: 'softmax' | 'logSoftmax',
  x: Floats,
  rows: number,
  columns: number,
): Floats {
  if (rows * columns === 0) return p.empty(x.shape);
  return p.tidy(() => {
    const extent = { outer: rows, length: columns, inner: 1 };
    const table = p.reshape(x, [rows, columns]);
    const differences = p.sub(table, reduce(p, 'max', table, extent));
    const exponentials = exp(p, differences);
    const total = reduce(p, 'sum', exponentials, extent);
    // The largest element gives 1, so that the sum is never 0.
    const result = operation === 'softmax' ? p.normal(p.over(exponentials, total)) : p.sub(differences, log(p, total));
    return p.reshape(result, x.shape);
  });
}
