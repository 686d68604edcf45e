import { contractionBits, contractionBlock, contractionRanges } from '../contraction-ranges.ts';
import type { MatMulShape, Operand } from '../kernels.ts';
import { firstPlace } from './functions.ts';
import type { Floats } from './inner-operations.ts';
import type { Primitives } from './primitives.ts';
import { reduce } from './reductions.ts';

// §6: the inner backend multiplies matrices of small integers, whose sums over a block it holds exactly in float32.

/** 2^(bits - 1): a unit of the quantised values is the first place of the largest one, divided by this. */
const halfRange = (operand: Operand): number => 2 ** (contractionBits[operand] - 1);

/**
 * §6.1 for [groups, m, k] with vectors along axis 2, or [groups, k, n] along axis 1: per vector 2^(e-1), the first place
 * of its largest magnitude.
 */
export function places(p: Primitives, x: Floats, operand: Operand): Floats {
  const [groups = 1, rows = 1, columns = 1] = x.shape;
  const isLeft = operand === 'left';
  const extent = isLeft
    ? { outer: groups * rows, length: columns, inner: 1 }
    : { outer: groups, length: rows, inner: columns };
  // Without leading axes of length 1, which the slowest of the backends would walk through.
  const perColumn = groups === 1 ? [columns] : [groups, 1, columns];
  return p.tidy(() => {
    const magnitudes = reduce(p, 'max', p.abs(x), extent);
    return firstPlace(p, p.reshape(magnitudes, isLeft ? [groups, rows, 1] : perColumn));
  });
}

/** §6.2 */
export function quantise(p: Primitives, x: Floats, place: Floats, operand: Operand): Floats {
  const range = contractionRanges[operand];
  return p.tidy(() => p.clip(p.roundSmall(p.times(x, p.over(halfRange(operand), place))), -range, range));
}

/** §6.3: sums of a block of small integers, which float32 holds in whatever order they are added. */
export function contract(p: Primitives, left: Floats, right: Floats): Floats {
  return p.run('BatchMatMul', { a: left, b: right }, { transposeA: false, transposeB: false });
}

/** §6.4 */
export function rescale(p: Primitives, sums: Floats, leftPlace: Floats, rightPlace: Floats): Floats {
  return p.tidy(() => {
    const byLeft = p.times(sums, p.over(leftPlace, halfRange('left')));
    return p.normal(p.times(byLeft, p.over(rightPlace, halfRange('right'))));
  });
}

/** [count, m, k] from matrices that are stored so, or as [count, k, m]. */
function oriented(p: Primitives, x: Floats, count: number, m: number, k: number, isTransposed: boolean): Floats {
  return isTransposed ? p.transpose(p.reshape(x, [count, k, m]), [0, 2, 1]) : p.reshape(x, [count, m, k]);
}

/** Cuts axis k of [count, m, k] into blocks, the last continued with zeros: [count * blocks, m, block]. */
export function blocksOfRows(p: Primitives, x: Floats, blocks: number): Floats {
  const [count = 1, m = 1, k = 1] = x.shape;
  if (blocks === 1) return x;
  const flat = p.reshape(x, [count * m, k]);
  const missing = blocks * contractionBlock - k;
  const all = missing === 0 ? flat : p.concat([flat, p.full([count * m, missing], 0)], 1);
  const cut = p.transpose(p.reshape(all, [count, m, blocks, contractionBlock]), [0, 2, 1, 3]);
  return p.reshape(cut, [count * blocks, m, contractionBlock]);
}

/** Cuts axis k of [count, k, n] into blocks: [count * blocks, block, n]. */
function blocksOfColumns(p: Primitives, x: Floats, blocks: number): Floats {
  const [count = 1, k = 1, n = 1] = x.shape;
  if (blocks === 1) return x;
  const missing = blocks * contractionBlock - k;
  const all = missing === 0 ? x : p.concat([x, p.full([count, missing, n], 0)], 1);
  return p.reshape(all, [count * blocks, contractionBlock, n]);
}

/** The same for every item of a batch. */
function repeated(p: Primitives, x: Floats, times: number): Floats {
  if (times === 1) return x;
  const [groups = 1, ...rest] = x.shape;
  const size = rest.reduce((a, b) => a * b, groups);
  return p.reshape(p.filled(p.reshape(x, [1, size]), [times, size]), [times * groups, ...rest]);
}

/** §6: [batch, m, n] of operands of which one may be a single matrix (batch stride 0). */
export function matMul(p: Primitives, a: Floats, b: Floats, shape: MatMulShape): Floats {
  const { m, k, n, transposeA, transposeB } = shape;
  p.reserve([shape.batch, m, n]);
  if (shape.batch * m * n * k === 0) return p.full([shape.batch, m, n], 0);
  if (shape.batch > 1 && shape.bBatchStride === 0 && shape.aBatchStride !== 0)
    return p.tidy(() => {
      const rows = p.reshape(oriented(p, a, shape.batch, m, k, transposeA), [shape.batch * m, k]);
      const one = { ...shape, batch: 1, m: shape.batch * m, transposeA: false, aBatchStride: 0 };
      return p.reshape(matMul(p, rows, b, one), [shape.batch, m, n]);
    });
  return p.tidy(() => {
    const blocks = Math.ceil(k / contractionBlock);
    const { batch } = shape;
    const aCount = shape.aBatchStride === 0 ? 1 : batch;
    const bCount = shape.bBatchStride === 0 ? 1 : batch;
    const operands = {
      left: repeated(p, blocksOfRows(p, oriented(p, a, aCount, m, k, transposeA), blocks), batch / aCount),
      right: repeated(p, blocksOfColumns(p, oriented(p, b, bCount, k, n, transposeB), blocks), batch / bCount),
    };
    const place = { left: places(p, operands.left, 'left'), right: places(p, operands.right, 'right') };
    const sums = contract(
      p,
      quantise(p, operands.left, place.left, 'left'),
      quantise(p, operands.right, place.right, 'right'),
    );
    const rescaled = rescale(p, sums, place.left, place.right);
    if (blocks === 1) return p.reshape(rescaled, [batch, m, n]);
    const total = reduce(p, 'sum', rescaled, { outer: batch, length: blocks, inner: m * n });
    return p.reshape(total, [batch, m, n]);
  });
}
