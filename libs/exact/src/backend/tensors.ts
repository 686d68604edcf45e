import { UnsupportedArgumentError } from '../errors.ts';
import type { tf } from './tf.ts';

/** Element types of tensors: complex numbers and strings do not exist in the profile. */
export type TensorType = 'float32' | 'int32' | 'bool';
export type TensorValues = Float32Array | Int32Array | Uint8Array;
export type ValuesOf<Type extends TensorType> = { float32: Float32Array; int32: Int32Array; bool: Uint8Array }[Type];

/** A tensor of this backend, as kernels pass it on. */
export interface ExactTensor<Type extends TensorType = TensorType> {
  dataId: object;
  shape: number[];
  dtype: Type;
}

/** @throws UnsupportedArgumentError for complex numbers and strings */
export function tensorType(what: string, dtype: tf.DataType): TensorType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new UnsupportedArgumentError(what, `the type ${dtype} does not exist in exact/1; use float32, int32 or bool.`);
}

/** §2: bool tensors hold 0 or 1. */
export function normaliseTruth(values: Uint8Array): void {
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) values[i] = 1;
}

/** §3: what int32 can count, so that no index overflows anywhere. */
export const maximumElements = 2 ** 31 - 1;

/** @throws UnsupportedArgumentError unless §3 has tensors of this shape */
export function checkShape(shape: readonly number[]): void {
  if (!shape.every((length) => Number.isInteger(length) && length >= 0 && length <= maximumElements))
    throw new UnsupportedArgumentError(
      'a tensor',
      `its shape is [${shape.join(', ')}]; lengths are integers from 0 to ${String(maximumElements)}.`,
    );
  if (sizeOf(shape) > maximumElements)
    throw new UnsupportedArgumentError(
      'a tensor',
      `its shape [${shape.join(', ')}] has ${String(sizeOf(shape))} elements; at most ${String(maximumElements)} are possible. Use smaller batches or layers.`,
    );
}

/** Elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}
