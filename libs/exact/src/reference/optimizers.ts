// §12
import type { AdamCoefficients } from '../kernels.ts';
import { add, div, mul, sqrt, sub } from './float.ts';

export function sgdStep(weights: Float32Array, gradients: Float32Array, rate: number): void {
  for (let i = 0; i < weights.length; i++) weights[i] = sub(weights[i] as number, mul(gradients[i] as number, rate));
}

export function momentumStep(
  weights: Float32Array,
  velocity: Float32Array,
  gradients: Float32Array,
  rate: number,
  momentum: number,
): void {
  for (let i = 0; i < weights.length; i++) {
    const v = add(mul(velocity[i] as number, momentum), gradients[i] as number);
    velocity[i] = v;
    weights[i] = sub(weights[i] as number, mul(v, rate));
  }
}

export function adamStep(
  weights: Float32Array,
  firstMoment: Float32Array,
  secondMoment: Float32Array,
  gradients: Float32Array,
  { towardsGradient, towardsSquare, step, shift, decay }: AdamCoefficients,
): void {
  for (let i = 0; i < weights.length; i++) {
    const g = gradients[i] as number;
    const m = add(firstMoment[i] as number, mul(sub(g, firstMoment[i] as number), towardsGradient));
    const v = add(secondMoment[i] as number, mul(sub(mul(g, g), secondMoment[i] as number), towardsSquare));
    firstMoment[i] = m;
    secondMoment[i] = v;
    weights[i] = sub(mul(weights[i] as number, decay), mul(div(m, add(sqrt(v), shift)), step));
  }
}
