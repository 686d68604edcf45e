import { UnsupportedArgumentError } from '../errors.ts';
import type { Six } from '../kernels.ts';
import { walkStrided } from '../reference/strided-copy.ts';
import { joinAxes } from './broadcast.ts';
import type { ExactBackend } from './exact-backend.ts';
import type { TensorValues } from './tensors.ts';

/** Which elements go where: one stride per axis on both sides. */
export interface Movement {
  shape: readonly number[];
  outOffset: number;
  outStrides: readonly number[];
  xOffset: number;
  xStrides: readonly number[];
}

const maxAxes = 6;

/** @throws UnsupportedArgumentError unless every index lies inside of an array of so many elements */
function checkReach(
  kernel: string,
  what: string,
  elements: number,
  shape: readonly number[],
  offset: number,
  strides: readonly number[],
): void {
  let [lowest, highest] = [offset, offset];
  shape.forEach((length, axis) => {
    const distance = (length - 1) * (strides[axis] as number);
    if (distance < 0) lowest += distance;
    else highest += distance;
  });
  if (!(lowest >= 0 && highest < elements))
    throw new UnsupportedArgumentError(
      kernel,
      `it would move elements ${String(lowest)} to ${String(highest)} of ${what}, which has ${String(elements)}.`,
    );
}

/**
 * Copies elements of any type.
 * @throws UnsupportedArgumentError if more than six axes move differently, or an index lies outside of its array
 */
export function moveElements(
  backend: ExactBackend,
  kernel: string,
  out: TensorValues,
  x: TensorValues,
  movement: Movement,
): void {
  if (movement.shape.includes(0)) return;
  checkReach(kernel, 'its output', out.length, movement.shape, movement.outOffset, movement.outStrides);
  checkReach(kernel, 'its input', x.length, movement.shape, movement.xOffset, movement.xStrides);
  const { shape, strides } = joinAxes(movement.shape, [movement.outStrides, movement.xStrides]);
  if (shape.length > maxAxes)
    throw new UnsupportedArgumentError(
      kernel,
      `it moves data along ${String(shape.length)} axes; at most six are possible.`,
    );
  const six = (list: readonly number[], fill: number): Six =>
    [...new Array<number>(maxAxes - list.length).fill(fill), ...list] as unknown as Six;
  const copy = {
    shape: six(shape, 1),
    outOffset: movement.outOffset,
    outStrides: six(strides[0] as number[], 0),
    xOffset: movement.xOffset,
    xStrides: six(strides[1] as number[], 0),
  };
  if (x instanceof Uint8Array)
    walkStrided(copy, (to, from) => {
      out[to] = x[from] as number;
    });
  else backend.kernels.copyStrided(out as Float32Array, x, copy);
}

/** Row-major distances of a shape. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis] as number;
  }
  return strides;
}
