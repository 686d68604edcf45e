import { type ExactTensor } from '../../backend/exact-backend.ts';
import { type Attributes, floats, isFloat, type Inputs, listOf, required } from '../../backend/kernel.ts';
import { activations } from '../../backend/kernels/products.ts';
import { UnsupportedArgumentError } from '../../errors.ts';
import type { BinaryOperation, UnaryOperation } from '../../kernels.ts';
import { N } from '../../reference/float.ts';
import { unary } from '../functions.ts';
import type { Floats } from '../inner-operations.ts';
import type { ComposedKernel, ComposedTable } from '../kernel.ts';
import { binary } from '../pairs.ts';
import type { ComparisonKernel, Primitives } from '../primitives.ts';

/** What has only integers or booleans, or an error to give, is the exact backend's. */
export const onHost =
  (kernel: string): ComposedKernel =>
  ({ host }, inputs, attributes) =>
    host.run(kernel, inputs, attributes)[0] as ExactTensor;

const unaryKernel =
  (kernel: string, operation: UnaryOperation, parameters: (attributes: never) => number[] = () => []): ComposedKernel =>
  (machine, inputs, attributes) => {
    const x = required(inputs, 'x');
    if (!isFloat(x)) return onHost(kernel)(machine, inputs, attributes);
    const [parameter0 = 0, parameter1 = 0] = parameters(attributes as never);
    return unary(machine.p, operation, x, N(parameter0), N(parameter1));
  };

const binaryKernel =
  (kernel: string, operation: BinaryOperation, first = 'a', second = 'b'): ComposedKernel =>
  (machine, inputs, attributes) => {
    const a = required(inputs, first);
    const b = required(inputs, second);
    if (!isFloat(a) || !isFloat(b)) return onHost(kernel)(machine, inputs, attributes);
    return binary(machine.p, operation, a, b);
  };

const comparisonKernel =
  (kernel: ComparisonKernel): ComposedKernel =>
  (machine, inputs, attributes) => {
    const a = required(inputs, 'a');
    const b = required(inputs, 'b');
    if (!isFloat(a) || !isFloat(b)) return onHost(kernel)(machine, inputs, attributes);
    return machine.p.compare(kernel, a, b);
  };

const select: ComposedKernel = (machine, inputs, attributes) => {
  const condition = required(inputs, 'condition');
  const [t, e] = [required(inputs, 't'), required(inputs, 'e')];
  if (condition.dtype !== 'bool' || !isFloat(t) || !isFloat(e) || t.shape.includes(0))
    return onHost('Select')(machine, inputs, attributes);
  const { p } = machine;
  // One condition may decide for a whole row.
  const mask = p.mask(condition as ExactTensor<'bool'>);
  const trailing = new Array<number>(t.shape.length - condition.shape.length).fill(1);
  const whole = p.filled(p.reshape(mask, [...condition.shape, ...trailing]), t.shape);
  return p.select(p.compare('NotEqual', whole, 0), t, e);
};

const addN: ComposedKernel = (machine, inputs, attributes) => {
  const [first, ...rest] = listOf(inputs);
  if (first === undefined || !isFloat(first)) return onHost('AddN')(machine, inputs, attributes);
  return rest.reduce<Floats>((sum, tensor) => machine.p.add(sum, tensor as Floats), first);
};

/** Adds a bias and applies an activation, as the separate kernels do. */
export function finish(p: Primitives, kernel: string, result: Floats, inputs: Inputs, attributes: Attributes): Floats {
  const { activation = 'linear', leakyreluAlpha = 0.2 } = attributes as {
    activation?: string;
    leakyreluAlpha?: number;
  };
  const sum = inputs['bias'] === undefined ? result : p.add(result, floats(kernel, inputs, 'bias'));
  if (activation === 'prelu') return binary(p, 'prelu', sum, floats(kernel, inputs, 'preluActivationWeights'));
  if (activation === 'leakyrelu') return unary(p, 'leakyRelu', sum, N(leakyreluAlpha));
  const known = activations[activation];
  if (known === undefined) throw new UnsupportedArgumentError(kernel, `the activation '${activation}' is not defined.`);
  return known === null ? sum : unary(p, known.operation, sum, ...(known.parameters ?? []));
}

const fusedBatchNorm: ComposedKernel = ({ p }, inputs, attributes) => {
  const { varianceEpsilon } = attributes as { varianceEpsilon: number };
  const part = (name: string): Floats => floats('FusedBatchNorm', inputs, name);
  const deviation = unary(p, 'rsqrt', p.add(part('variance'), N(varianceEpsilon)));
  let result = p.mul(p.sub(part('x'), part('mean')), deviation);
  if (inputs['scale'] !== undefined) result = p.mul(result, part('scale'));
  if (inputs['offset'] !== undefined) result = p.add(result, part('offset'));
  return result;
};

export const elementwiseKernels: ComposedTable = {
  Abs: unaryKernel('Abs', 'abs'),
  Neg: unaryKernel('Neg', 'neg'),
  Sign: unaryKernel('Sign', 'sign'),
  Floor: unaryKernel('Floor', 'floor'),
  Ceil: unaryKernel('Ceil', 'ceil'),
  Round: unaryKernel('Round', 'round'),
  Square: unaryKernel('Square', 'square'),
  Sqrt: unaryKernel('Sqrt', 'sqrt'),
  Rsqrt: unaryKernel('Rsqrt', 'rsqrt'),
  Reciprocal: unaryKernel('Reciprocal', 'reciprocal'),
  Exp: unaryKernel('Exp', 'exp'),
  Expm1: unaryKernel('Expm1', 'expm1'),
  Log: unaryKernel('Log', 'log'),
  Log1p: unaryKernel('Log1p', 'log1p'),
  Sigmoid: unaryKernel('Sigmoid', 'sigmoid'),
  Tanh: unaryKernel('Tanh', 'tanh'),
  Erf: unaryKernel('Erf', 'erf'),
  Softplus: unaryKernel('Softplus', 'softplus'),
  Relu: unaryKernel('Relu', 'relu'),
  Relu6: unaryKernel('Relu6', 'clip', () => [0, 6]),
  ClipByValue: unaryKernel('ClipByValue', 'clip', (a: { clipValueMin: number; clipValueMax: number }) => [
    a.clipValueMin,
    a.clipValueMax,
  ]),
  Step: unaryKernel('Step', 'step', (a: { alpha: number }) => [a.alpha]),
  LeakyRelu: unaryKernel('LeakyRelu', 'leakyRelu', (a: { alpha: number }) => [a.alpha]),
  Elu: unaryKernel('Elu', 'elu'),
  Selu: unaryKernel('Selu', 'selu'),
  IsNan: onHost('IsNan'),
  IsInf: onHost('IsInf'),
  IsFinite: onHost('IsFinite'),
  Add: binaryKernel('Add', 'add'),
  Sub: binaryKernel('Sub', 'sub'),
  Multiply: binaryKernel('Multiply', 'mul'),
  RealDiv: binaryKernel('RealDiv', 'div'),
  FloorDiv: binaryKernel('FloorDiv', 'floorDiv'),
  Mod: binaryKernel('Mod', 'mod'),
  Pow: binaryKernel('Pow', 'pow'),
  Maximum: binaryKernel('Maximum', 'maximum'),
  Minimum: binaryKernel('Minimum', 'minimum'),
  SquaredDifference: binaryKernel('SquaredDifference', 'squaredDifference'),
  Prelu: binaryKernel('Prelu', 'prelu', 'x', 'alpha'),
  EluGrad: binaryKernel('EluGrad', 'eluGradient', 'dy', 'y'),
  AddN: addN,
  FusedBatchNorm: fusedBatchNorm,
  Equal: comparisonKernel('Equal'),
  NotEqual: comparisonKernel('NotEqual'),
  Less: comparisonKernel('Less'),
  LessEqual: comparisonKernel('LessEqual'),
  Greater: comparisonKernel('Greater'),
  GreaterEqual: comparisonKernel('GreaterEqual'),
  LogicalAnd: onHost('LogicalAnd'),
  LogicalOr: onHost('LogicalOr'),
  LogicalNot: onHost('LogicalNot'),
  Select: select,
};
