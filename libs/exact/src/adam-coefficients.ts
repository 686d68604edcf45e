import type { AdamCoefficients } from './kernels.ts';
import { div, mul, N, sqrt, sub } from './reference/float.ts';

/** Hyperparameters of Adam and AdamW; each is rounded to a value of the profile before use. */
export interface AdamOptions {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** 0 for Adam. */
  weightDecay: number;
}

/** The powers of the betas after a step: state, multiplied at every step and never recomputed. */
export interface BetaPowers {
  beta1Power: number;
  beta2Power: number;
}

/** Powers before the first step. */
export const initialBetaPowers: BetaPowers = { beta1Power: 1, beta2Power: 1 };

/** §12: moves the powers on by one step and derives what that step's elements share. */
export function adamCoefficients(
  options: AdamOptions,
  before: BetaPowers,
): { powers: BetaPowers; coefficients: AdamCoefficients } {
  const rate = N(options.learningRate);
  const beta1 = N(options.beta1);
  const beta2 = N(options.beta2);
  const powers = { beta1Power: mul(before.beta1Power, beta1), beta2Power: mul(before.beta2Power, beta2) };
  const correction = sqrt(sub(1, powers.beta2Power));
  return {
    powers,
    coefficients: {
      towardsGradient: sub(1, beta1),
      towardsSquare: sub(1, beta2),
      step: div(mul(rate, correction), sub(1, powers.beta1Power)),
      shift: mul(N(options.epsilon), correction),
      decay: sub(1, mul(rate, N(options.weightDecay))),
    },
  };
}
