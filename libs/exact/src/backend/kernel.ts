import { UnsupportedArgumentError } from '../errors.ts';
import type { ExactBackend } from './exact-backend.ts';
import type { ExactTensor } from './tensors.ts';

/** Inputs by TensorFlow.js's names. A kernel that takes a list (concat) gets it under its indices. */
export type Inputs = Readonly<Record<string, ExactTensor | undefined>>;
export type Attributes = Readonly<Record<string, unknown>>;

/** A TensorFlow.js kernel: makes its outputs with `backend.output` or `backend.view`. */
export type KernelFunction = (
  backend: ExactBackend,
  inputs: Inputs,
  attributes: Attributes,
) => ExactTensor | ExactTensor[];

/** Kernels by TensorFlow.js's names. */
export type KernelTable = Readonly<Record<string, KernelFunction>>;

/** An input that must be there. */
export function required(inputs: Inputs, name: string): ExactTensor {
  const tensor = inputs[name];
  if (tensor === undefined) throw new UnsupportedArgumentError('a kernel', `its input '${name}' is missing.`);
  return tensor;
}

/** An input that must hold floats. */
export function floats(kernel: string, inputs: Inputs, name: string): ExactTensor<'float32'> {
  const tensor = required(inputs, name);
  if (!isFloat(tensor))
    throw new UnsupportedArgumentError(kernel, `its input '${name}' is ${tensor.dtype}; cast it to float32.`);
  return tensor;
}

export function isFloat(tensor: ExactTensor): tensor is ExactTensor<'float32'> {
  return tensor.dtype === 'float32';
}

/** Inputs of a kernel that takes a list. */
export function listOf(inputs: Inputs): ExactTensor[] {
  return Object.values(inputs).filter((input) => input !== undefined);
}
