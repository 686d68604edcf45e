import { TrainerError } from './errors.ts';

/**
 * A step whose rows or weights give no finite result: a number overflowed, or a row names a class or a table's row
 * that the model does not have. Everybody who executes the step finds the same, so it is an outcome and no failure:
 * the segment it belongs to is void.
 */
export class UndefinedStepError extends TrainerError {}

/** @throws UndefinedStepError unless the value is finite */
export function requireFinite(value: number, quantity: string): number {
  if (!Number.isFinite(value)) throw new UndefinedStepError(`${quantity} is ${String(value)}`);
  return value;
}

/** @throws UndefinedStepError when a state holds a number from which nobody could continue */
export function requireFiniteState(state: Uint8Array): Uint8Array {
  for (const value of new Float32Array(state.buffer, state.byteOffset, state.byteLength / 4))
    if (!Number.isFinite(value)) throw new UndefinedStepError(`a value of the state is ${String(value)}`);
  return state;
}
