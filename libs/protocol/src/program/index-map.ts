import { typeBytes } from './opcodes.ts';
import type { Operand } from './step-program.ts';

/** Fills `digits` with an index over `shape`, row-major, from a position; later entries are left as they are. */
export function digitsOf(position: number, shape: readonly number[], digits: number[], first = 0): void {
  let rest = position;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const length = shape[axis] as number;
    digits[first + axis] = rest % length;
    rest = Math.floor(rest / length);
  }
}

/**
 * The operand's element for an index of the domain, counted from its offset; null if a window or the gathered index
 * says that there is none.
 * @param gathered the element of the operand that `gather` names; unused without it
 */
export function elementPosition(operand: Operand, digits: readonly number[], gathered = 0): number | null {
  let position = 0;
  for (let axis = 0; axis < operand.strides.length; axis++)
    position += (operand.strides[axis] as number) * (digits[axis] as number);
  for (const window of operand.windows) {
    const c =
      window.factorA * (digits[window.axisA] as number) +
      (window.axisB === null ? 0 : window.factorB * (digits[window.axisB] as number)) +
      window.offset;
    if (c < 0 || c % window.dilation !== 0) return null;
    const inside = c / window.dilation;
    if (inside >= window.limit) return null;
    position += inside * window.stride;
  }
  if (operand.gather !== null) {
    if (gathered < 0 || gathered >= operand.gather.limit) return null;
    position += gathered * operand.gather.stride;
  }
  return position;
}

/** Where the element at a position is, in bytes of its space. */
export function byteOffset(operand: Operand, position: number): number {
  return operand.offset + position * typeBytes[operand.type];
}
