import type { ExactTensor } from '../../backend/tensors.ts';
import { type Attributes, floats, isFloat, type Inputs, listOf, required } from '../../backend/kernel.ts';
import {
  type BinaryKernel,
  binaryKernels,
  mapKernels,
  type UnaryKernel,
  unaryKernels,
} from '../../backend/kernels/elementwise-operations.ts';
import { activations } from '../../backend/kernels/products.ts';
import { UnsupportedArgumentError } from '../../errors.ts';
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
  (kernel: string, { operation, parameters = () => [] }: UnaryKernel): ComposedKernel =>
  (machine, inputs, attributes) => {
    const x = required(inputs, 'x');
    if (!isFloat(x)) return onHost(kernel)(machine, inputs, attributes);
    const [parameter0 = 0, parameter1 = 0] = parameters(attributes as never);
    return unary(machine.p, operation, x, N(parameter0), N(parameter1));
  };

const binaryKernel =
  (kernel: string, { operation, first, second }: BinaryKernel): ComposedKernel =>
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
  ...mapKernels(unaryKernels, unaryKernel),
  ...mapKernels(binaryKernels, binaryKernel),
  IsNan: onHost('IsNan'),
  IsInf: onHost('IsInf'),
  IsFinite: onHost('IsFinite'),
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
