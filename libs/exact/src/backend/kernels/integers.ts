import { UnsupportedArgumentError } from '../../errors.ts';
import type { Comparison, UnaryOperation } from '../../kernels.ts';
import { compare, broadcast } from '../../reference/arithmetic.ts';
import { broadcastLayout, broadcastShape } from '../broadcast.ts';
import type { ExactBackend } from '../exact-backend.ts';
import { type ExactTensor, sizeOf } from '../tensors.ts';
import { convert } from './views.ts';

// §2: int32 and bool tensors. They are indices, labels and masks, so that speed does not matter here.

/** Truth values stay 0 or 1: they are compared, combined and selected by, but not calculated with. */
function refuseTruth(kernel: string, ...operands: ExactTensor[]): void {
  if (operands.some(({ dtype }) => dtype === 'bool'))
    throw new UnsupportedArgumentError(kernel, 'it does not take bool; cast it to int32 or float32.');
}

const floorDivide = (a: number, b: number): number => (b === 0 ? 0 : Math.floor(a / b));

/** Functions of two int32; the result wraps modulo 2^32 when it is stored. */
export const integerFunctions = {
  add: (a: number, b: number) => a + b,
  sub: (a: number, b: number) => a - b,
  mul: Math.imul,
  floorDiv: floorDivide,
  mod: (a: number, b: number) => a - Math.imul(floorDivide(a, b), b),
  maximum: (a: number, b: number) => Math.max(a, b),
  minimum: (a: number, b: number) => Math.min(a, b),
  squaredDifference: (a: number, b: number) => Math.imul(a - b, a - b),
} as const;
export type IntegerOperation = keyof typeof integerFunctions;

export function integerBinary(
  backend: ExactBackend,
  kernel: string,
  operation: IntegerOperation,
  a: ExactTensor,
  b: ExactTensor,
): ExactTensor {
  refuseTruth(kernel, a, b);
  return combineIntegers(backend, kernel, a, b, 'int32', integerFunctions[operation]);
}

/** Element by element with broadcasting, into a new tensor. */
export function combineIntegers(
  backend: ExactBackend,
  kernel: string,
  a: ExactTensor,
  b: ExactTensor,
  dtype: 'int32' | 'bool',
  apply: (a: number, b: number) => number,
): ExactTensor {
  const shape = broadcastShape(kernel, a.shape, b.shape);
  const [out, values] = backend.output(shape, dtype);
  if (sizeOf(shape) > 0)
    broadcast(backend.values(a), backend.values(b), layoutOf(kernel, a, b, shape), (index, left, right) => {
      values[index] = apply(left, right);
    });
  return out;
}

export function compareIntegers(
  backend: ExactBackend,
  kernel: string,
  operation: Comparison,
  a: ExactTensor,
  b: ExactTensor,
): ExactTensor {
  const shape = broadcastShape(kernel, a.shape, b.shape);
  const [out, values] = backend.output(shape, 'bool');
  if (sizeOf(shape) > 0)
    compare(operation, values, backend.values(a), backend.values(b), layoutOf(kernel, a, b, shape));
  return out;
}

function layoutOf(kernel: string, a: ExactTensor, b: ExactTensor, shape: number[]) {
  const layout = broadcastLayout(a.shape, b.shape, shape);
  if (layout === null)
    throw new UnsupportedArgumentError(
      kernel,
      'a broadcast of integers over more than four axes: tile one operand first.',
    );
  return layout;
}

const unaryFunctions: Partial<Record<UnaryOperation, (x: number, parameter0: number, parameter1: number) => number>> = {
  neg: (x) => -x,
  abs: (x) => Math.abs(x),
  sign: (x) => Math.sign(x),
  square: (x) => Math.imul(x, x),
  relu: (x) => Math.max(x, 0),
  floor: (x) => x,
  ceil: (x) => x,
  round: (x) => x,
  clip: (x, low, high) => Math.min(Math.max(x, low), high),
  step: (x, below) => (x > 0 ? 1 : below),
};

/** @throws UnsupportedArgumentError where the function makes no sense for integers */
export function integerUnary(
  backend: ExactBackend,
  kernel: string,
  operation: UnaryOperation,
  x: ExactTensor,
  parameter0: number,
  parameter1: number,
): ExactTensor {
  const apply = unaryFunctions[operation];
  if (apply === undefined)
    throw new UnsupportedArgumentError(kernel, `it does not take ${x.dtype}; cast it to float32.`);
  refuseTruth(kernel, x);
  const [low, high] = [convert(parameter0, 'int32'), convert(parameter1, 'int32')];
  const [out, values] = backend.output(x.shape, x.dtype);
  backend.values(x).forEach((value, i) => {
    values[i] = apply(value, low, high);
  });
  return out;
}
