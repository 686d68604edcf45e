import { ExactError } from '../errors.ts';

/** A recorded step cannot be written as a program. */
export class UnsupportedStepError extends ExactError {
  override readonly name = 'UnsupportedStepError';
  readonly retryable = false;
  constructor(
    /** Index of the recorded kernel call; null for what belongs to none. */
    readonly call: number | null,
    readonly kernel: string,
    readonly reason: string,
  ) {
    super(`${call === null ? 'The step' : `Kernel call ${String(call)} of the step, ${kernel}`}: ${reason}.`);
  }
}
