import {
  byteOffset,
  elementsOf,
  operandPositions,
  type OperationRecord,
  PROGRAM_CHUNK_BYTES,
  stateBytes,
  type StepProgram,
  typeBytes,
} from '@cotrain/protocol';
import { ExactError } from '../errors.ts';
import { type Fetch, OperationEvaluator, type StepPlace } from './evaluate.ts';
import { bytesIn, elementsIn, type ProgramArray, readElement, typedArray } from './typed-arrays.ts';

/** What a step starts from. */
export interface StepInput {
  /** As the program lays it out. */
  state: Uint8Array;
  /** The batch's rows, one after another. */
  rows: Uint8Array;
  seed: bigint;
  step: number;
}

export interface StepResult {
  /** The state after the step. */
  state: Uint8Array;
  loss: number;
  metric: number | null;
}

/** Receives each operation's output in order. It is only valid during the call. */
export type OutputSink = (output: ProgramArray, record: OperationRecord, index: number) => void;

/** An operand's elements: that at position p is array[base + p]. Null for what lies in no array of its type. */
export type OperandArray = { array: ProgramArray; base: number } | null;

/** Computes a whole operation. */
export interface OperationTask {
  record: OperationRecord;
  out: ProgramArray;
  fetches: readonly Fetch[];
  sources: readonly OperandArray[];
  /** The batch's rows. */
  rows: Uint8Array;
  place: StepPlace;
}

/** Element by element, as one alone is evaluated. */
export function runByElement({ record, out, fetches, place }: OperationTask): void {
  const evaluator = new OperationEvaluator(record, fetches, place);
  for (let i = 0; i < out.length; i++) out[i] = evaluator.at(i);
}

/** A state or rows have another length than the program says. */
export class StepInputError extends ExactError {
  override readonly name = 'StepInputError';
  constructor(
    readonly field: 'state' | 'rows',
    readonly bytes: number,
    readonly wanted: number,
  ) {
    super(`${field} has ${String(bytes)} bytes, but the program says ${String(wanted)}: give those that belong to it.`);
  }
}

/** How outputs are made and given back. */
export interface StepMachine {
  allocate(type: OperationRecord['type'], length: number): ProgramArray;
  free(array: ProgramArray): void;
  run(task: OperationTask): void;
}

/** Computes every element alone: the definition, for tests and for reading. */
export const elementMachine: StepMachine = { allocate: typedArray, free: () => undefined, run: runByElement };

/** Runs a program's steps; memory holds what is still to be read of a trace, never all of it. */
export class StepRun {
  readonly program: StepProgram;
  /** For each operation, for each operand: index of the operation whose output it reads; -1 for other spaces. */
  readonly #producers: readonly (readonly number[])[];
  /** For each operation: outputs that nobody reads after it. */
  readonly #released: readonly (readonly number[])[];
  readonly #machine: StepMachine;

  /** @param program one that `validateProgram` accepted */
  constructor(program: StepProgram, machine: StepMachine = elementMachine) {
    this.program = program;
    this.#machine = machine;
    const { operations } = program;
    const lastReader = operations.map((_, index) => index);
    this.#producers = operations.map((record, index) =>
      record.operands.map((operand) => {
        if (operand.space !== 'trace') return -1;
        const lowest = operandPositions(operand, [...record.shape, ...record.list])?.low ?? 0;
        const producer = this.#producerOf(byteOffset(operand, lowest));
        lastReader[producer] = index;
        return producer;
      }),
    );
    const kept = new Set<number | null>(program.state.map(({ traceChunk }) => traceChunk));
    kept.add(program.lossChunk).add(program.metricChunk);
    const released = operations.map((): number[] => []);
    lastReader.forEach((reader, index) => {
      if (!kept.has(operations[index]?.outputChunk ?? -1)) released[reader]?.push(index);
    });
    this.#released = released;
  }

  /**
   * One step; `sink` sees the trace in order.
   * @throws StepInputError
   */
  run(input: StepInput, sink?: OutputSink): StepResult {
    const { program } = this;
    checkLength('state', input.state, stateBytes(program));
    checkLength('rows', input.rows, program.batchSize * program.rowBytes);
    const place: StepPlace = { seed: input.seed, step: input.step, rowBytes: program.rowBytes };
    const outputs: (ProgramArray | null)[] = program.operations.map(() => null);
    const stored = { state: this.#store(input.state), constant: this.#store(program.constants) };
    const rowsView = viewOf(input.rows);
    try {
      program.operations.forEach((record, index) => {
        const sources = record.operands.map((operand, i): OperandArray => {
          const { space, type, offset } = operand;
          if (space === 'immediate' || space === 'index' || space === 'view') return null;
          const producer = this.#producers[index]?.[i] ?? -1;
          if (space === 'trace') {
            const start = (program.operations[producer]?.outputChunk ?? 0) * PROGRAM_CHUNK_BYTES;
            return { array: outputs[producer] as ProgramArray, base: (offset - start) / typeBytes[type] };
          }
          return { array: elementsIn(type, bytesIn(stored[space])), base: offset / typeBytes[type] };
        });
        const fetches = record.operands.map((operand, i): Fetch => {
          const source = sources[i];
          if (source != null) return (position) => source.array[source.base + position] as number;
          if (operand.space !== 'view') return () => 0;
          return (position) => readElement(rowsView, byteOffset(operand, position), operand.type);
        });
        const out = this.#machine.allocate(record.type, elementsOf(record.shape));
        outputs[index] = out;
        this.#machine.run({ record, out, fetches, sources, rows: input.rows, place });
        sink?.(out, record, index);
        for (const done of this.#released[index] ?? []) {
          this.#machine.free(outputs[done] as ProgramArray);
          outputs[done] = null;
        }
      });
      return this.#result(outputs);
    } finally {
      for (const output of outputs) if (output !== null) this.#machine.free(output);
      for (const array of Object.values(stored)) this.#machine.free(array);
    }
  }

  /** A copy where the machine's kernels can read it. */
  #store(bytes: Uint8Array): ProgramArray {
    const array = this.#machine.allocate('float32', bytes.length / 4);
    bytesIn(array).set(bytes);
    return array;
  }

  #result(outputs: readonly (ProgramArray | null)[]): StepResult {
    const { program } = this;
    const at = (chunk: number): ProgramArray => outputs[this.#producerOf(chunk * PROGRAM_CHUNK_BYTES)] as ProgramArray;
    const state = new Uint8Array(stateBytes(program));
    for (const { offset, traceChunk } of program.state) state.set(bytesIn(at(traceChunk)), offset);
    return {
      state,
      loss: at(program.lossChunk)[0] as number,
      metric: program.metricChunk === null ? null : (at(program.metricChunk)[0] as number),
    };
  }

  #producerOf(byte: number): number {
    const { operations } = this.program;
    let low = 0;
    let high = operations.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((operations[middle] as OperationRecord).outputChunk * PROGRAM_CHUNK_BYTES <= byte) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function checkLength(field: 'state' | 'rows', bytes: Uint8Array, wanted: number): void {
  if (bytes.length !== wanted) throw new StepInputError(field, bytes.length, wanted);
}
