import { binaryOpcodes, comparisonOpcodes, type Opcode, unaryOpcodes } from '@cotrain/protocol';
import { broadcastShape } from '../backend/broadcast.ts';
import { binaryKernels, mapKernels, unaryKernels } from '../backend/kernels/elementwise-operations.ts';
import { activations } from '../backend/kernels/products.ts';
import { adamCoefficients, initialBetaPowers } from '../adam-coefficients.ts';
import type { ProgramBuilder } from './builder.ts';
import { bitsAs } from './builder.ts';
import { type Call, input, type Lowering } from './lowering.ts';
import { reshaped, type Source } from './source.ts';

const integerIdentities = new Set(['floor', 'ceil', 'round']);

/** A function of one value, with parameters that are values. */
export function unary(
  builder: ProgramBuilder,
  opcode: (typeof unaryOpcodes)[number],
  source: Source,
  parameters: readonly number[] = [],
): Source {
  if (source.type !== 'float32') {
    if (integerIdentities.has(opcode)) return source;
    if (parameters.length > 0) builder.refuse(`${opcode} of integers has no operation; cast them to float32`);
  }
  const bits = parameters.map((value) => bitsAs('float32', value));
  return builder.elementwise(opcode as Opcode, source.type, source.shape, [source], bits);
}

/** A function of two values with broadcasting. */
export function binary(builder: ProgramBuilder, opcode: (typeof binaryOpcodes)[number], a: Source, b: Source): Source {
  return builder.elementwise(opcode as Opcode, a.type, broadcastShape(opcode, a.shape, b.shape), [a, b]);
}

const unaryLowering =
  (opcode: (typeof unaryOpcodes)[number], parameters: (attributes: never) => number[] = () => []): Lowering =>
  (call) =>
    unary(call.builder, opcode, input(call, 0), parameters(call.attributes as never));

const binaryLowering =
  (opcode: (typeof binaryOpcodes)[number]): Lowering =>
  (call) =>
    binary(call.builder, opcode, input(call, 0), input(call, 1));

const comparisonLowering =
  (opcode: (typeof comparisonOpcodes)[number]): Lowering =>
  (call) => {
    const [a, b] = [input(call, 0), input(call, 1)];
    return call.builder.elementwise(opcode, 'uint8', broadcastShape(opcode, a.shape, b.shape), [a, b]);
  };

const logicalLowering =
  (opcode: 'logicalAnd' | 'logicalOr'): Lowering =>
  (call) => {
    const [a, b] = [input(call, 0), input(call, 1)];
    return call.builder.elementwise(opcode, 'uint8', broadcastShape(opcode, a.shape, b.shape), [a, b]);
  };

/** What a fused kernel ends with. */
export function finish(call: Call, product: Source, others: readonly Source[]): Source {
  const { builder } = call;
  const { activation = 'linear', leakyreluAlpha = 0.2 } = call.attributes as {
    activation?: string;
    leakyreluAlpha?: number;
  };
  const [bias, slopes] = activation === 'prelu' && others.length === 1 ? [undefined, others[0]] : others;
  const result = bias === undefined ? product : binary(builder, 'add', product, bias);
  if (activation === 'leakyrelu') return unary(builder, 'leakyRelu', result, [leakyreluAlpha]);
  if (activation === 'prelu')
    return binary(builder, 'prelu', result, slopes ?? builder.refuse('its slopes are missing'));
  const known = activations[activation];
  if (known === undefined) return builder.refuse(`the activation '${activation}' is not defined`);
  return known === null ? result : unary(builder, known.operation, result, known.parameters);
}

const batchNorm: Lowering = (call) => {
  const { builder } = call;
  // TensorFlow.js names x, scale, offset, mean, variance in this order, and leaves out what is not there.
  if (call.inputs.length !== 3 && call.inputs.length !== 5)
    builder.refuse('it has a scale or an offset but not both; give both or none');
  const x = input(call, 0);
  const [mean, variance] = [input(call, call.inputs.length - 2), input(call, call.inputs.length - 1)];
  const { varianceEpsilon } = call.attributes as { varianceEpsilon: number };
  const spread = binary(builder, 'add', variance, builder.immediate('float32', varianceEpsilon));
  const normal = binary(builder, 'mul', binary(builder, 'sub', x, mean), unary(builder, 'rsqrt', spread));
  if (call.inputs.length === 3) return normal;
  return binary(builder, 'add', binary(builder, 'mul', normal, input(call, 1)), input(call, 2));
};

const select: Lowering = (call) => {
  const { builder, outShape, outType } = call;
  const [condition, a, b] = [input(call, 0), input(call, 1), input(call, 2)];
  // A condition of lower rank decides over whole rows: its axes are the first ones.
  const padded = [...condition.shape, ...new Array<number>(a.shape.length - condition.shape.length).fill(1)];
  const rows = reshaped(condition, padded) ?? builder.reshape(condition, padded);
  return builder.elementwise('select', outType, outShape, [rows, a, b]);
};

const cast: Lowering = ({ builder, outType, ...call }) => {
  const x = input({ builder, ...call }, 0);
  return x.type === outType ? x : builder.elementwise('cast', outType, x.shape, [x]);
};

const oneHot: Lowering = (call) => {
  const { depth, onValue, offValue } = call.attributes as { depth: number; onValue: number; offValue: number };
  return oneHotOf(call.builder, input(call, 0), depth, call.outType, onValue, offValue);
};

/** Rows with `on` where the index says, and `off` elsewhere. */
export function oneHotOf(
  builder: ProgramBuilder,
  indices: Source,
  depth: number,
  type: Source['type'],
  on = 1,
  off = 0,
): Source {
  const wide = { ...indices, shape: [...indices.shape, 1], strides: [...indices.strides, 0] };
  const shape = [...indices.shape, depth];
  const here = builder.index([depth], [1]);
  return builder.elementwise('oneHot', type, shape, [wide, here], [bitsAs(type, on), bitsAs(type, off)]);
}

const constantly =
  (answer: 0 | 1): Lowering =>
  ({ builder, outShape }) =>
    builder.immediate('uint8', answer, outShape);

const dropoutMask: Lowering = ({ builder, attributes, outShape }) => {
  const { substream, stream, threshold, keepScale } = attributes as Record<string, number>;
  const words = [substream, stream, threshold, bitsAs('float32', keepScale as number)] as number[];
  const mask = builder.emit('random', 'float32', [builder.size({ shape: outShape })], [], {
    parameters: words.map((word) => word >>> 0),
  });
  return builder.reshape(mask, outShape);
};

const sgd: Lowering = (call) => {
  const { rate } = call.attributes as { rate: number };
  const [w, g] = [input(call, 0), input(call, 1)];
  return call.builder.elementwise('sgdWeights', 'float32', w.shape, [w, g], [bitsAs('float32', rate)]);
};

const momentumStep: Lowering = (call) => {
  const { rate, momentum } = call.attributes as { rate: number; momentum: number };
  const [w, v, g] = [input(call, 0), input(call, 1), input(call, 2)];
  const { builder } = call;
  const moved = builder.elementwise('momentumVelocity', 'float32', w.shape, [v, g], [bitsAs('float32', momentum)]);
  return [builder.elementwise('sgdWeights', 'float32', w.shape, [w, moved], [bitsAs('float32', rate)]), moved];
};

/** What Adam's step on every weight shares, out of the powers of the betas in the state. */
export interface AdamPlan {
  /** Of the numbers that do not change from step to step. */
  towardsGradient: number;
  towardsSquare: number;
  decay: number;
  /** [step, shift] in the trace. */
  pair: Source;
  /** The powers after the step. */
  powers: [Source, Source];
}

/** Hyperparameters of Adam and AdamW. */
export type AdamHyperparameters = Parameters<typeof adamCoefficients>[0];

/** §12: the operations that a step of Adam does once. */
export function planAdam(builder: ProgramBuilder, options: AdamHyperparameters, powers: [Source, Source]): AdamPlan {
  const value = (number: number): Source => builder.immediate('float32', number);
  const one = value(1);
  const p1 = binary(builder, 'mul', powers[0], value(options.beta1));
  const p2 = binary(builder, 'mul', powers[1], value(options.beta2));
  const correction = unary(builder, 'sqrt', binary(builder, 'sub', one, p2));
  const numerator = binary(builder, 'mul', value(options.learningRate), correction);
  const step = binary(builder, 'div', numerator, binary(builder, 'sub', one, p1));
  const shift = binary(builder, 'mul', value(options.epsilon), correction);
  const part = (source: Source, at: number) => ({
    ...{ source, strides: [0] },
    windows: [{ axisA: 0, axisB: null, factorA: 1, factorB: 0, offset: -at, dilation: 1, limit: 1, stride: 0 }],
  });
  const pair = builder.emit('move', 'float32', [2], [part(step, 0), part(shift, 1)]);
  const { towardsGradient, towardsSquare, decay } = adamCoefficients(options, initialBetaPowers).coefficients;
  return { towardsGradient, towardsSquare, decay, pair, powers: [p1, p2] };
}

/** §12: Adam's step on one tensor. */
export const adamStep =
  (plan: AdamPlan): Lowering =>
  (call) => {
    const { builder } = call;
    const [w, m, v, g] = [input(call, 0), input(call, 1), input(call, 2), input(call, 3)];
    const bits = (value: number): number[] => [bitsAs('float32', value)];
    const first = builder.elementwise('adamFirstMoment', 'float32', w.shape, [m, g], bits(plan.towardsGradient));
    const second = builder.elementwise('adamSecondMoment', 'float32', w.shape, [v, g], bits(plan.towardsSquare));
    const pair = { ...plan.pair, shape: [], strides: [] };
    const moved = builder.elementwise('adamWeights', 'float32', w.shape, [w, first, second, pair], bits(plan.decay));
    return [moved, first, second];
  };

export const elementwiseLowerings: Readonly<Record<string, Lowering>> = {
  ...mapKernels(unaryKernels, (_, { operation, parameters }) => unaryLowering(operation, parameters)),
  ...mapKernels(binaryKernels, (_, { operation }) => binaryLowering(operation)),
  ...Object.fromEntries(
    (
      [
        ['Equal', 'equal'],
        ['NotEqual', 'notEqual'],
        ['Less', 'less'],
        ['LessEqual', 'lessEqual'],
        ['Greater', 'greater'],
        ['GreaterEqual', 'greaterEqual'],
      ] as const
    ).map(([kernel, opcode]) => [kernel, comparisonLowering(opcode)]),
  ),
  IsNan: constantly(0),
  IsInf: constantly(0),
  IsFinite: constantly(1),
  AddN: (call) => call.inputs.slice(1).reduce((sum, next) => binary(call.builder, 'add', sum, next), input(call, 0)),
  FusedBatchNorm: batchNorm,
  LogicalAnd: logicalLowering('logicalAnd'),
  LogicalOr: logicalLowering('logicalOr'),
  LogicalNot: (call) => call.builder.elementwise('logicalNot', 'uint8', call.outShape, [input(call, 0)]),
  Select: select,
  Cast: cast,
  OneHot: oneHot,
  ExactDropoutMask: dropoutMask,
  ExactSgd: sgd,
  ExactMomentum: momentumStep,
};
