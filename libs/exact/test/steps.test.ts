import { beforeAll, describe, expect, it } from '@jest/globals';
import { adamCoefficients, initialBetaPowers } from '../src/adam-coefficients.ts';
import { adamStep, dropoutMask, momentumStep, sgdStep } from '../src/backend/training.ts';
import { exactBackend, tf } from './backends.ts';
import { normals } from './values.ts';

const start = normals(1, 40);
const gradient = (step: number): tf.Tensor => tf.tensor1d(normals(10 + step, 40, 0.1));

/** Runs steps on one variable and reads it; nothing is left. */
function after(
  steps: number,
  slots: number,
  step: (weights: tf.Variable, slots: tf.Variable[], at: number) => void,
): number[] {
  const before = tf.memory().numTensors;
  const weights = tf.variable(tf.tensor1d(start));
  const kept = Array.from({ length: slots }, () => tf.variable(tf.zeros([40])));
  for (let at = 0; at < steps; at++)
    tf.tidy(() => {
      step(weights, kept, at);
    });
  const values = [...weights.dataSync()];
  tf.dispose([weights, ...kept]);
  tf.disposeVariables();
  expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 1 + slots);
  return values;
}

describe('steps of optimizers', () => {
  beforeAll(async () => {
    exactBackend();
    await tf.setBackend('exact');
  });

  it('sgd has the bits of TensorFlow.js on this backend', () => {
    const optimizer = tf.train.sgd(0.1);
    const composed = after(5, 0, (weights, _, at) => {
      optimizer.applyGradients([{ name: weights.name, tensor: gradient(at) }]);
    });
    const own = after(5, 0, (weights, _, at) => {
      sgdStep(weights, gradient(at), 0.1);
    });
    expect(own).toEqual(composed);
  });

  it('momentum has the bits of TensorFlow.js on this backend', () => {
    const optimizer = tf.train.momentum(0.1, 0.9);
    const composed = after(5, 0, (weights, _, at) => {
      optimizer.applyGradients([{ name: weights.name, tensor: gradient(at) }]);
    });
    const own = after(5, 1, (weights, [velocity], at) => {
      momentumStep(weights, velocity!, gradient(at), 0.1, 0.9);
    });
    expect(own).toEqual(composed);
  });

  it('adam has the bits of its definition, operation by operation', () => {
    const options = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0.05 };
    let powers = initialBetaPowers;
    const next = () => {
      const step = adamCoefficients(options, powers);
      powers = step.powers;
      return step.coefficients;
    };
    const composed = after(5, 2, (weights, [first, second], at) => {
      const c = next();
      const g = gradient(at);
      first!.assign(tf.add(first!, tf.mul(tf.sub(g, first!), c.towardsGradient)));
      second!.assign(tf.add(second!, tf.mul(tf.sub(tf.square(g), second!), c.towardsSquare)));
      const change = tf.mul(tf.div(first!, tf.add(tf.sqrt(second!), c.shift)), c.step);
      weights.assign(tf.sub(tf.mul(weights, c.decay), change));
    });
    powers = initialBetaPowers;
    const own = after(5, 2, (weights, [first, second], at) => {
      adamStep(weights, first!, second!, gradient(at), next());
    });
    expect(own).toEqual(composed);
  });

  it('does not change what was cloned before a step', () => {
    const weights = tf.variable(tf.tensor1d([1, 2]));
    const clone = tf.clone(weights);
    sgdStep(weights, tf.tensor1d([1, 1]), 0.5);
    expect([...clone.dataSync()]).toEqual([1, 2]);
    expect([...weights.dataSync()]).toEqual([0.5, 1.5]);
    tf.dispose([weights, clone]);
  });

  it('draws dropout masks that follow from their place alone', () => {
    const place = { seed: 0x1234_5678_9abc_def0n, stream: 3, substream: 1, step: 7, rate: 0.25 };
    const read = (change: object): number[] =>
      tf.tidy(() => [...dropoutMask([4, 25], { ...place, ...change }).dataSync()]);
    expect(read({})).toEqual(read({}));
    expect(read({})).not.toEqual(read({ step: 8 }));
    expect(new Set(read({}))).toEqual(new Set([0, Math.fround(1 / 0.75)]));
  });
});
