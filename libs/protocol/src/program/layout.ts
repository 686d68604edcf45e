import { typeBytes } from './opcodes.ts';
import { chunksOf, elementsOf, type OperationRecord, PROGRAM_CHUNK_BYTES, type StepProgram } from './step-program.ts';

/** Bytes of an operation's output without its padding. */
export function outputBytes(record: Pick<OperationRecord, 'shape' | 'type'>): number {
  return elementsOf(record.shape) * typeBytes[record.type];
}

/** Bytes of the whole trace of a step; a whole number of chunks. */
export function traceBytes({ operations }: Pick<StepProgram, 'operations'>): number {
  const last = operations.at(-1);
  return last === undefined ? 0 : (last.outputChunk + chunksOf(outputBytes(last))) * PROGRAM_CHUNK_BYTES;
}

/** Bytes of a state; a whole number of chunks. */
export function stateBytes({ state }: Pick<StepProgram, 'state'>): number {
  const last = state.at(-1);
  return last === undefined ? 0 : last.offset + chunksOf(4 * last.elements) * PROGRAM_CHUNK_BYTES;
}

/**
 * The index of the operation that a chunk of the trace belongs to.
 * @returns -1 for a chunk outside of the trace
 */
export function operationOfChunk({ operations }: Pick<StepProgram, 'operations'>, chunk: number): number {
  let low = 0;
  let high = operations.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((operations[middle] as OperationRecord).outputChunk <= chunk) low = middle + 1;
    else high = middle;
  }
  const found = operations[low - 1];
  return found !== undefined && chunk < found.outputChunk + chunksOf(outputBytes(found)) ? low - 1 : -1;
}
