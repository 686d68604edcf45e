import type { AdamCoefficients, DropoutMask } from '../kernels.ts';
import { N, sub } from '../reference/float.ts';
import { tf } from './tf.ts';

// Operations of exact/1 that TensorFlow.js has no kernel for. They need the backend of this library to be the current one.

function run(kernel: string, inputs: tf.NamedTensorMap, attributes: object): tf.Tensor[] {
  const result: tf.Tensor | tf.Tensor[] = tf.engine().runKernel(kernel, inputs, attributes as tf.NamedAttrMap);
  return Array.isArray(result) ? result : [result];
}

/** Gives variables the values that a kernel returned, in order. */
function assign(variables: readonly tf.Variable[], values: readonly tf.Tensor[]): void {
  variables.forEach((variable, i) => {
    const value = values[i] as tf.Tensor;
    variable.assign(value);
    value.dispose();
  });
}

/** §12: weights = weights - rate * gradient. */
export function sgdStep(weights: tf.Variable, gradients: tf.Tensor, rate: number): void {
  assign([weights], run('ExactSgd', { weights, gradients }, { rate }));
}

/** §12: moves the velocity, then the weights. */
export function momentumStep(
  weights: tf.Variable,
  velocity: tf.Variable,
  gradients: tf.Tensor,
  rate: number,
  momentum: number,
): void {
  assign([weights, velocity], run('ExactMomentum', { weights, velocity, gradients }, { rate, momentum }));
}

/** §12: one step of Adam or AdamW; `coefficients` come from `adamCoefficients`, once per step. */
export function adamStep(
  weights: tf.Variable,
  firstMoment: tf.Variable,
  secondMoment: tf.Variable,
  gradients: tf.Tensor,
  coefficients: AdamCoefficients,
): void {
  const inputs = { weights, firstMoment, secondMoment, gradients };
  assign([weights, firstMoment, secondMoment], run('ExactAdam', inputs, coefficients));
}

/** Where in a job's random streams a mask is drawn, and for which rate. */
export interface DropoutPlace {
  seed: bigint;
  stream: number;
  substream: number;
  step: number;
  /** From 0 to below 1. */
  rate: number;
}

/** §11: 0 with probability `rate`, otherwise 1 / (1 - rate). */
export function dropoutMask(shape: number[], { seed, rate, ...place }: DropoutPlace): tf.Tensor {
  const mask: DropoutMask = {
    ...place,
    seedLow: Number(seed & 0xffffffffn),
    seedHigh: Number((seed >> 32n) & 0xffffffffn),
    threshold: Math.floor(rate * 65_536 + 0.5),
    keepScale: N(1 / sub(1, N(rate))),
  };
  return run('ExactDropoutMask', {}, { shape, ...mask })[0] as tf.Tensor;
}
