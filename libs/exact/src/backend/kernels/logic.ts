import { UnsupportedArgumentError } from '../../errors.ts';
import type { Comparison } from '../../kernels.ts';
import { broadcastShape } from '../broadcast.ts';
import { type ExactTensor, sizeOf } from '../tensors.ts';
import { isFloat, type KernelFunction, type KernelTable, required } from '../kernel.ts';
import { withOperands } from './elementwise.ts';
import { combineIntegers, compareIntegers } from './integers.ts';

const comparisonKernel =
  (kernel: string, operation: Comparison): KernelFunction =>
  (backend, inputs) => {
    const a = required(inputs, 'a');
    const b = required(inputs, 'b');
    if (isFloat(a) !== isFloat(b))
      throw new UnsupportedArgumentError(kernel, `it does not compare ${a.dtype} with ${b.dtype}; cast one of them.`);
    if (!isFloat(a) || !isFloat(b)) return compareIntegers(backend, kernel, operation, a, b);
    const shape = broadcastShape(kernel, a.shape, b.shape);
    const [out, values] = backend.output(shape, 'bool');
    withOperands(backend, kernel, a, b, shape, (aValues, bValues, layout) => {
      backend.kernels.compare(operation, values, aValues, bValues, layout);
    });
    return out;
  };

const logicalKernel =
  (kernel: string, apply: (a: number, b: number) => number): KernelFunction =>
  (backend, inputs) =>
    combineIntegers(backend, kernel, required(inputs, 'a'), required(inputs, 'b'), 'bool', apply);

const select: KernelFunction = (backend, inputs) => {
  const condition = required(inputs, 'condition');
  const t = required(inputs, 't');
  const e = required(inputs, 'e');
  if (condition.dtype !== 'bool' || t.dtype !== e.dtype)
    throw new UnsupportedArgumentError('Select', `it takes a bool condition and two tensors of one type.`);
  const [out, values] = backend.output(t.shape, t.dtype);
  const size = sizeOf(t.shape);
  const perElement = size / sizeOf(condition.shape);
  const conditions = backend.values(condition as ExactTensor<'bool'>);
  const [a, b] = [backend.values(t), backend.values(e)];
  if (isFloat(t) && perElement === 1)
    backend.kernels.select(values as Float32Array, conditions, a as Float32Array, b as Float32Array);
  else
    for (let i = 0; i < size; i++) values[i] = (conditions[Math.floor(i / perElement)] !== 0 ? a[i] : b[i]) as number;
  return out;
};

export const logicKernels: KernelTable = {
  Equal: comparisonKernel('Equal', 'equal'),
  NotEqual: comparisonKernel('NotEqual', 'notEqual'),
  Less: comparisonKernel('Less', 'less'),
  LessEqual: comparisonKernel('LessEqual', 'lessEqual'),
  Greater: comparisonKernel('Greater', 'greater'),
  GreaterEqual: comparisonKernel('GreaterEqual', 'greaterEqual'),
  LogicalAnd: logicalKernel('LogicalAnd', (a, b) => (a !== 0 && b !== 0 ? 1 : 0)),
  LogicalOr: logicalKernel('LogicalOr', (a, b) => (a !== 0 || b !== 0 ? 1 : 0)),
  LogicalNot: (backend, inputs) => {
    const x = required(inputs, 'x');
    const [out, values] = backend.output(x.shape, 'bool');
    backend.values(x).forEach((value, i) => {
      values[i] = value === 0 ? 1 : 0;
    });
    return out;
  },
  Select: select,
};
