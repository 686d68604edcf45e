import { UnsupportedArgumentError } from '../../errors.ts';
import type { BinaryOperation, UnaryOperation } from '../../kernels.ts';
import { N } from '../../reference/float.ts';
import { broadcastLayout, broadcastShape, broadcastStrides } from '../broadcast.ts';
import type { ExactBackend } from '../exact-backend.ts';
import { type ExactTensor, sizeOf } from '../tensors.ts';
import { floats, isFloat, type KernelFunction, type KernelTable, listOf, required } from '../kernel.ts';
import { moveElements, stridesOf } from '../movement.ts';
import {
  type BinaryKernel,
  binaryKernels,
  mapKernels,
  type UnaryKernel,
  unaryKernels,
} from './elementwise-operations.ts';
import { integerBinary, integerFunctions, integerUnary, type IntegerOperation } from './integers.ts';

/** An element-by-element function of floats. */
export function applyUnary(
  backend: ExactBackend,
  operation: UnaryOperation,
  x: ExactTensor<'float32'>,
  parameter0 = 0,
  parameter1 = 0,
): ExactTensor<'float32'> {
  const [out, values] = backend.output(x.shape, 'float32', 'any');
  backend.kernels.unary(operation, values, backend.values(x), N(parameter0), N(parameter1));
  return out;
}

/** An element-by-element function of two float tensors, with broadcasting. */
export function applyBinary(
  backend: ExactBackend,
  kernel: string,
  operation: BinaryOperation,
  a: ExactTensor<'float32'>,
  b: ExactTensor<'float32'>,
): ExactTensor<'float32'> {
  const shape = broadcastShape(kernel, a.shape, b.shape);
  const [out, values] = backend.output(shape, 'float32', 'any');
  withOperands(backend, kernel, a, b, shape, (aValues, bValues, layout) => {
    backend.kernels.binary(operation, values, aValues, bValues, layout);
  });
  return out;
}

type Layout = NonNullable<ReturnType<typeof broadcastLayout>>;

/** Hands over both operands and their layout; a broadcast over too many axes is written out first. */
export function withOperands(
  backend: ExactBackend,
  kernel: string,
  a: ExactTensor<'float32'>,
  b: ExactTensor<'float32'>,
  shape: number[],
  use: (a: Float32Array, b: Float32Array, layout: Layout) => void,
): void {
  const size = sizeOf(shape);
  if (size === 0) return;
  const layout = broadcastLayout(a.shape, b.shape, shape);
  if (layout !== null) {
    use(backend.values(a), backend.values(b), layout);
    return;
  }
  backend.withScratch((take) => {
    const [left, right] = [a, b].map((operand) => {
      const whole = take('float32', size);
      moveElements(backend, kernel, whole, backend.values(operand), {
        ...{ shape, outOffset: 0, outStrides: stridesOf(shape), xOffset: 0 },
        xStrides: broadcastStrides(operand.shape, shape.length),
      });
      return whole;
    }) as [Float32Array, Float32Array];
    use(left, right, { shape: [1, 1, 1, size], aStrides: [0, 0, 0, 1], bStrides: [0, 0, 0, 1] });
  });
}

/** A kernel with one input `x`; integers where the function has a meaning for them. */
const unaryKernel =
  (kernel: string, { operation, parameters = () => [] }: UnaryKernel): KernelFunction =>
  (backend, inputs, attributes) => {
    const x = required(inputs, 'x');
    const [parameter0 = 0, parameter1 = 0] = parameters(attributes as never);
    if (isFloat(x)) return applyUnary(backend, operation, x, parameter0, parameter1);
    return integerUnary(backend, kernel, operation, x, parameter0, parameter1);
  };

const binaryKernel =
  (kernel: string, { operation, first, second }: BinaryKernel): KernelFunction =>
  (backend, inputs) => {
    const a = required(inputs, first);
    const b = required(inputs, second);
    if (isFloat(a) && isFloat(b)) return applyBinary(backend, kernel, operation, a, b);
    if (isFloat(a) || isFloat(b) || !(operation in integerFunctions))
      throw new UnsupportedArgumentError(kernel, `it does not take ${a.dtype} with ${b.dtype}; cast both to float32.`);
    return integerBinary(backend, kernel, operation as IntegerOperation, a, b);
  };

const addN: KernelFunction = (backend, inputs) => {
  const [first, ...rest] = listOf(inputs);
  if (first === undefined || !isFloat(first))
    throw new UnsupportedArgumentError('AddN', 'it takes one or more float32 tensors.');
  const [out, sum] = backend.output(first.shape, 'float32');
  sum.set(backend.values(first));
  const size = sum.length;
  backend.withScratch((take) => {
    const before = take('float32', size);
    for (const tensor of rest) {
      before.set(sum);
      backend.kernels.binary('add', sum, before, backend.values(tensor as ExactTensor<'float32'>), {
        ...{ shape: [1, 1, 1, size], aStrides: [0, 0, 0, 1], bStrides: [0, 0, 0, 1] },
      });
    }
  });
  return out;
};

/** No value is NaN or infinite. */
const constantly =
  (answer: 0 | 1): KernelFunction =>
  (backend, inputs) => {
    const [out, values] = backend.output(required(inputs, 'x').shape, 'bool');
    values.fill(answer);
    return out;
  };

export const elementwiseKernels: KernelTable = {
  ...mapKernels(unaryKernels, unaryKernel),
  ...mapKernels(binaryKernels, binaryKernel),
  IsNan: constantly(0),
  IsInf: constantly(0),
  IsFinite: constantly(1),
  AddN: addN,
  FusedBatchNorm: (backend, inputs, attributes) => {
    const { varianceEpsilon } = attributes as { varianceEpsilon: number };
    const part = (name: string): ExactTensor<'float32'> => floats('FusedBatchNorm', inputs, name);
    const combine = (operation: BinaryOperation, a: ExactTensor<'float32'>, b: ExactTensor<'float32'>) =>
      applyBinary(backend, 'FusedBatchNorm', operation, a, b);
    const steps: ExactTensor<'float32'>[] = [];
    const step = (tensor: ExactTensor<'float32'>): ExactTensor<'float32'> => {
      steps.push(tensor);
      return tensor;
    };
    const [epsilon, value] = backend.output([], 'float32');
    value[0] = N(varianceEpsilon);
    const deviation = applyUnary(backend, 'rsqrt', step(combine('add', part('variance'), step(epsilon))));
    let result = combine('mul', step(combine('sub', part('x'), part('mean'))), step(deviation));
    if (inputs['scale'] !== undefined) result = combine('mul', step(result), part('scale'));
    if (inputs['offset'] !== undefined) result = combine('add', step(result), part('offset'));
    for (const tensor of steps) backend.disposeData(tensor.dataId);
    return result;
  },
};
