import type { Program } from '@cotrain/protocol';
import { type Optimizer, optimizerSlots, SlotVariables } from './optimizer-slots.ts';
import { tf } from './tf.ts';

/** Updates as tf.train's optimizers compute them (AdamW: decoupled weight decay), with explicit slots. */
export function createOptimizer(spec: Program['optimizer'], weights: readonly tf.Variable[]): Optimizer {
  const { slots, scalars } = optimizerSlots(spec);
  const variables = new SlotVariables(slots, weights);
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
        const velocity = variables.of(0, index);
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
      const first = variables.of(0, index);
      const second = variables.of(1, index);
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
    readSlots: () => [...variables.read(), ...powers.map((power) => new Float32Array([power]))],
    writeSlots(values) {
      const others = variables.write(values);
      powers = scalars.map((_, index) => others[index]?.[0] ?? 1);
    },
    dispose() {
      variables.dispose();
      for (const scalar of constants.values()) scalar.dispose();
    },
  };
}
