import { adamCoefficients, type AdamOptions, adamStep, initialBetaPowers, momentumStep, sgdStep } from '@cotrain/exact';
import type { Program } from '@cotrain/protocol';
import { type Optimizer, optimizerSlots, SlotVariables } from './optimizer-slots.ts';
import type { tf } from './tf.ts';

type OptimizerSpec = Program['optimizer'];
/** What a step does to a weight, by its index. */
type Move = (weight: tf.Variable, gradient: tf.Tensor, index: number) => void;

/** The steps of docs/exact-1.md, section 12. */
export function createExactOptimizer(spec: OptimizerSpec, weights: readonly tf.Variable[]): Optimizer {
  const { slots, scalars } = optimizerSlots(spec);
  const variables = new SlotVariables(slots, weights);
  let powers = initialBetaPowers;

  const beginStep = (): Move => {
    if (spec.kind === 'sgd')
      return (weight, gradient) => {
        sgdStep(weight, gradient, spec.learningRate);
      };
    if (spec.kind === 'momentum')
      return (weight, gradient, index) => {
        momentumStep(weight, variables.of(0, index), gradient, spec.learningRate, spec.momentum);
      };
    const step = adamCoefficients(adamOptions(spec), powers);
    powers = step.powers;
    return (weight, gradient, index) => {
      adamStep(weight, variables.of(0, index), variables.of(1, index), gradient, step.coefficients);
    };
  };

  return {
    apply(gradients) {
      const move = beginStep();
      weights.forEach((weight, index) => {
        const gradient = gradients[index];
        if (gradient !== undefined) move(weight, gradient, index);
      });
    },
    readSlots: () => [
      ...variables.read(),
      ...[powers.beta1Power, powers.beta2Power].slice(0, scalars.length).map((power) => new Float32Array([power])),
    ],
    writeSlots(values) {
      const [beta1Power = 1, beta2Power = 1] = variables.write(values).map(([power]) => power ?? 1);
      powers = { beta1Power, beta2Power };
    },
    dispose() {
      variables.dispose();
    },
  };
}

function adamOptions(spec: Extract<OptimizerSpec, { kind: 'adam' | 'adamw' }>): AdamOptions {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 } = spec;
  const weightDecay = spec.kind === 'adamw' ? (spec.weightDecay ?? 0.01) : 0;
  return { learningRate, beta1, beta2, epsilon, weightDecay };
}
