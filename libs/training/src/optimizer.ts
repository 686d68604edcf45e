import type { Program } from '@cotrain/protocol';
import { tf } from './tf.ts';
import type { ModelWeight } from './model.ts';

type OptimizerSpec = Program['optimizer'];
type Shaped = readonly Pick<ModelWeight, 'shape' | 'trainable'>[];

/** Names of what an optimizer keeps: per trained weight, and once. */
export function optimizerSlots(optimizer: OptimizerSpec): { slots: string[]; scalars: string[] } {
  switch (optimizer.kind) {
    case 'sgd':
      return { slots: [], scalars: [] };
    case 'momentum':
      return { slots: ['velocity'], scalars: [] };
    case 'adam':
    case 'adamw':
      return { slots: ['firstMoment', 'secondMoment'], scalars: ['beta1Power', 'beta2Power'] };
  }
}

/** Slots at the start of training: zeros, and the betas to the power of 0. */
export function optimizerState(optimizer: OptimizerSpec, weights: Shaped): Float32Array[] {
  const { slots, scalars } = optimizerSlots(optimizer);
  const trained = weights.filter((weight) => weight.trainable);
  const size = (shape: number[]): number => shape.reduce((product, length) => product * length, 1);
  return [
    ...slots.flatMap(() => trained.map(({ shape }) => new Float32Array(size(shape)))),
    ...scalars.map(() => new Float32Array([1])),
  ];
}

/** Moves weights along gradients; everything it remembers can be read and set. */
export interface Optimizer {
  /** Gradients in the order of the weights. */
  apply(gradients: readonly tf.Tensor[]): void;
  readSlots(): Float32Array[];
  writeSlots(values: readonly Float32Array[]): void;
  dispose(): void;
}

/** Updates as tf.train's optimizers compute them (AdamW: decoupled weight decay), with explicit slots. */
export function createOptimizer(spec: OptimizerSpec, weights: readonly tf.Variable[]): Optimizer {
  const { slots, scalars } = optimizerSlots(spec);
  const variables = slots.map(() => weights.map((weight) => tf.variable(tf.zeros(weight.shape), false)));
  let powers = scalars.map(() => 1);
  const constants = new Map<string, tf.Scalar>();
  const constant = (name: string, value: number): tf.Scalar => {
    const known = constants.get(name) ?? tf.keep(tf.scalar(value));
    constants.set(name, known);
    return known;
  };

  const update = (): ((weight: tf.Variable, gradient: tf.Tensor, index: number) => void) => {
    const rate = spec.learningRate;
    if (spec.kind === 'sgd') {
      const step = constant('rate', rate);
      return (weight, gradient) => {
        weight.assign(tf.sub(weight, tf.mul(gradient, step)));
      };
    }
    if (spec.kind === 'momentum') {
      const step = constant('rate', rate);
      const momentum = constant('momentum', spec.momentum);
      return (weight, gradient, index) => {
        const velocity = slot(variables, 0, index);
        velocity.assign(tf.add(tf.mul(velocity, momentum), gradient));
        weight.assign(tf.sub(weight, tf.mul(velocity, step)));
      };
    }
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 } = spec;
    powers = [Math.fround((powers[0] ?? 1) * beta1), Math.fround((powers[1] ?? 1) * beta2)];
    // m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + e), with the corrections moved into two numbers.
    const correction = Math.sqrt(1 - (powers[1] ?? 0));
    const step = tf.scalar((rate * correction) / (1 - (powers[0] ?? 0)));
    const shift = tf.scalar(epsilon * correction);
    const towardsGradient = constant('1-beta1', 1 - beta1);
    const towardsSquare = constant('1-beta2', 1 - beta2);
    const decay = spec.kind === 'adamw' ? constant('decay', 1 - rate * (spec.weightDecay ?? 0.01)) : null;
    return (weight, gradient, index) => {
      const first = slot(variables, 0, index);
      const second = slot(variables, 1, index);
      first.assign(tf.add(first, tf.mul(tf.sub(gradient, first), towardsGradient)));
      second.assign(tf.add(second, tf.mul(tf.sub(tf.square(gradient), second), towardsSquare)));
      const change = tf.mul(tf.div(first, tf.add(tf.sqrt(second), shift)), step);
      weight.assign(tf.sub(decay === null ? weight : tf.mul(weight, decay), change));
    };
  };

  return {
    apply(gradients) {
      tf.tidy(() => {
        const move = update();
        weights.forEach((weight, index) => {
          const gradient = gradients[index];
          if (gradient !== undefined) move(weight, gradient, index);
        });
      });
    },
    readSlots: () => [
      ...variables.flat().map((variable) => variable.dataSync<'float32'>()),
      ...powers.map((power) => new Float32Array([power])),
    ],
    writeSlots(values) {
      const flat = variables.flat();
      flat.forEach((variable, index) => {
        tf.tidy(() => {
          variable.assign(tf.tensor(values[index] ?? [], variable.shape, 'float32'));
        });
      });
      powers = scalars.map((_, index) => values[flat.length + index]?.[0] ?? 1);
    },
    dispose() {
      for (const variable of variables.flat()) variable.dispose();
      for (const scalar of constants.values()) scalar.dispose();
    },
  };
}

function slot(variables: tf.Variable[][], kind: number, index: number): tf.Variable {
  const variable = variables[kind]?.[index];
  if (variable === undefined) throw new Error(`the optimizer has no slot ${String(kind)} of weight ${String(index)}`);
  return variable;
}
