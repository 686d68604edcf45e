import type { AdamCoefficients } from '../kernels.ts';
import type { Floats } from './inner-operations.ts';
import type { Primitives } from './primitives.ts';

// §12, on tensors of one shape.

export function sgdStep(p: Primitives, weights: Floats, gradients: Floats, rate: number): Floats {
  return p.tidy(() => p.sub(weights, p.mul(gradients, rate)));
}

export function momentumStep(
  p: Primitives,
  weights: Floats,
  velocity: Floats,
  gradients: Floats,
  rate: number,
  momentum: number,
): [weights: Floats, velocity: Floats] {
  return p.tidy(() => {
    const v = p.add(p.mul(velocity, momentum), gradients);
    return [p.sub(weights, p.mul(v, rate)), v];
  });
}

export function adamStep(
  p: Primitives,
  weights: Floats,
  firstMoment: Floats,
  secondMoment: Floats,
  gradients: Floats,
  { towardsGradient, towardsSquare, step, shift, decay }: AdamCoefficients,
): [weights: Floats, firstMoment: Floats, secondMoment: Floats] {
  return p.tidy(() => {
    const towards = (moment: Floats, target: Floats, share: number): Floats =>
      p.add(moment, p.mul(p.sub(target, moment), share));
    const m = towards(firstMoment, gradients, towardsGradient);
    const v = towards(secondMoment, p.mul(gradients, gradients), towardsSquare);
    const moved = p.mul(p.div(m, p.add(p.sqrt(v), shift)), step);
    return [p.sub(p.mul(weights, decay), moved), m, v];
  });
}
