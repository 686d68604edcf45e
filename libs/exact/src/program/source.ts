import type { OperandSpace, ProgramType } from '@cotrain/protocol';
import { joinAxes } from '../backend/broadcast.ts';
import { stridesOf } from '../backend/movement.ts';

/** Where a tensor's elements are: an affine view of something that a program can read. */
export interface Source {
  space: OperandSpace;
  type: ProgramType;
  /** As in an operand: bytes of the space, or the bits of an immediate. */
  offset: number;
  shape: readonly number[];
  /** One for each axis, in elements. */
  strides: readonly number[];
}

/** Whether elements lie one after another, row-major. */
export function isDense({ shape, strides }: Source): boolean {
  const dense = stridesOf(shape);
  return shape.every((length, axis) => length === 1 || strides[axis] === dense[axis]);
}

/** The same elements under another shape, or null if no strides can say so. */
export function reshaped(source: Source, shape: readonly number[]): Source | null {
  if (isDense(source)) return { ...source, shape, strides: stridesOf(shape) };
  // What an axis of the new shape spans must lie inside of one axis of the joined old one.
  const joined = joinAxes(source.shape, [source.strides]);
  const lengths = [...joined.shape];
  const oldStrides = [...(joined.strides[0] as number[])];
  const strides: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const length = shape[axis] as number;
    if (length === 1) {
      strides.unshift(0);
      continue;
    }
    const last = lengths.length - 1;
    const left = lengths[last];
    if (left === undefined || left % length !== 0) return null;
    strides.unshift(oldStrides[last] as number);
    if (left === length) {
      lengths.pop();
      oldStrides.pop();
    } else {
      lengths[last] = left / length;
      oldStrides[last] = (oldStrides[last] as number) * length;
    }
  }
  return { ...source, shape, strides };
}

/** A view with its axes in another order. */
export function permuted(source: Source, order: readonly number[]): Source {
  return {
    ...source,
    shape: order.map((axis) => source.shape[axis] as number),
    strides: order.map((axis) => source.strides[axis] as number),
  };
}

/** A view that repeats axes of length 1, and missing ones in front, to a shape. */
export function broadcastTo(source: Source, shape: readonly number[]): Source {
  const missing = shape.length - source.shape.length;
  const strides = shape.map((_, axis) =>
    axis < missing || source.shape[axis - missing] === 1 ? 0 : (source.strides[axis - missing] as number),
  );
  return { ...source, shape, strides };
}
