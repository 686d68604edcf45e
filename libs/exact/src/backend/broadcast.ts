import { UnsupportedArgumentError } from '../errors.ts';
import type { BroadcastLayout, Four } from '../kernels.ts';
import { checkShape } from './tensors.ts';

/** Shape of the result of two operands. @throws UnsupportedArgumentError if they do not fit, or have too large a result */
export function broadcastShape(kernel: string, a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  const shape = Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1)
      throw new UnsupportedArgumentError(
        kernel,
        `[${a.join(', ')}] and [${b.join(', ')}] cannot be broadcast together.`,
      );
    return left === 1 ? right : left;
  });
  checkShape(shape);
  return shape;
}

/** How far an operand of `shape` moves per axis of the broadcast shape: 0 where it repeats. */
export function broadcastStrides(shape: readonly number[], rank: number): number[] {
  const strides = new Array<number>(rank).fill(0);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const length = shape[axis] as number;
    strides[axis + rank - shape.length] = length === 1 ? 0 : stride;
    stride *= length;
  }
  return strides;
}

/** Axes of equal behaviour joined together, so that most operations have one or two. */
export function joinAxes(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
): { shape: number[]; strides: number[][] } {
  const joined = { shape: [] as number[], strides: strides.map((): number[] => []) };
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const length = shape[axis] as number;
    if (length === 1) continue;
    const inner = joined.shape[0];
    const fits =
      inner !== undefined && strides.every((list, i) => list[axis] === inner * (joined.strides[i]?.[0] as number));
    if (fits) joined.shape[0] = inner * length;
    else {
      joined.shape.unshift(length);
      strides.forEach((list, i) => joined.strides[i]?.unshift(list[axis] as number));
    }
  }
  return joined;
}

/** A list continued in front to four entries. */
export function toFour(list: readonly number[], fill: number): Four {
  return [...new Array<number>(4 - list.length).fill(fill), ...list] as unknown as Four;
}

/** The layout for two operands of these shapes, or null if it needs more than four axes. */
export function broadcastLayout(
  a: readonly number[],
  b: readonly number[],
  out: readonly number[],
): BroadcastLayout | null {
  const { shape, strides } = joinAxes(out, [broadcastStrides(a, out.length), broadcastStrides(b, out.length)]);
  if (shape.length > 4) return null;
  return {
    shape: toFour(shape, 1),
    aStrides: toFour(strides[0] as number[], 0),
    bStrides: toFour(strides[1] as number[], 0),
  };
}
