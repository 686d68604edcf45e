import { type ProgramStateEntry, stateBytes, type StepProgram } from '@cotrain/protocol';
import { ExactError } from '../errors.ts';
import { bytesIn, elementsIn } from './typed-arrays.ts';

/** Arrays that do not fit a program's state. */
export class StateShapeError extends ExactError {
  override readonly name = 'StateShapeError';
}

type Layout = Pick<StepProgram, 'state'>;

/**
 * A state as a program lays it out: each array at its offset, zeros after it.
 * @param arrays one for each entry, in order
 * @throws StateShapeError
 */
export function packState(program: Layout, arrays: readonly Float32Array[]): Uint8Array {
  if (arrays.length !== program.state.length)
    throw new StateShapeError(
      `There are ${String(arrays.length)} arrays, but the program's state has ${String(program.state.length)}: give one for each entry.`,
    );
  const bytes = new Uint8Array(stateBytes(program));
  program.state.forEach((entry, i) => {
    const array = arrays[i] as Float32Array;
    if (array.length !== entry.elements) throw wrongSize(entry, array.length);
    bytes.set(bytesIn(array), entry.offset);
  });
  return bytes;
}

/** A state's arrays, copied, in the order of its entries. @throws StateShapeError */
export function unpackState(program: Layout, bytes: Uint8Array): Float32Array[] {
  if (bytes.length !== stateBytes(program))
    throw new StateShapeError(
      `The state has ${String(bytes.length)} bytes, but the program says ${String(stateBytes(program))}: give one that belongs to it.`,
    );
  return program.state.map(
    ({ offset, elements }) => elementsIn('float32', bytes.slice(offset, offset + 4 * elements)) as Float32Array,
  );
}

/** The same from arrays that lie one after another without padding, as libs/training keeps a state. @throws StateShapeError */
export function packDenseState(program: Layout, dense: Uint8Array): Uint8Array {
  let at = 0;
  const arrays = program.state.map(({ elements }) => {
    const array = elementsIn('float32', dense.slice(at, at + 4 * elements)) as Float32Array;
    at += 4 * elements;
    return array;
  });
  if (at !== dense.length)
    throw new StateShapeError(
      `The state has ${String(dense.length)} bytes, but the program's arrays have ${String(at)}: give the state of this program's model and optimizer.`,
    );
  return packState(program, arrays);
}

/** The arrays of a state one after another without padding. @throws StateShapeError */
export function unpackDenseState(program: Layout, bytes: Uint8Array): Uint8Array {
  const arrays = unpackState(program, bytes);
  const dense = new Uint8Array(arrays.reduce((sum, array) => sum + array.byteLength, 0));
  let at = 0;
  for (const array of arrays) {
    dense.set(bytesIn(array), at);
    at += array.byteLength;
  }
  return dense;
}

function wrongSize({ name, elements }: ProgramStateEntry, given: number): StateShapeError {
  return new StateShapeError(`${name} has ${String(given)} elements, but the program says ${String(elements)}.`);
}
