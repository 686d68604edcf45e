import type { Opcode, OperandSpace, ProgramType } from './opcodes.ts';

/** Axes of an operation's domain: those of its output, then those of the list that an element reads. */
export const MAX_AXES = 6;
export const MAX_OPERANDS = 4;
export const MAX_WINDOWS = 2;
export const PARAMETERS = 4;
/** Outputs, state entries and constants begin at multiples of this. */
export const PROGRAM_CHUNK_BYTES = 4_096;
/** Bounds on what a program may ask of whoever checks it. */
export const MAX_OPERATIONS = 2 ** 20;
export const MAX_TRACE_BYTES = 2 ** 33;
export const MAX_STATE_BYTES = 2 ** 40;
export const MAX_CONSTANT_BYTES = 2 ** 28;
export const MAX_STATE_ENTRIES = 2 ** 16;

/**
 * A coordinate that must lie inside of something, as a pixel in an image: with c = factorA * digit(axisA) +
 * factorB * digit(axisB) + offset, the operand has an element only if c >= 0, `dilation` divides c and c / dilation is
 * below `limit`; then c / dilation * stride is added to the element's position. `axisB` may be null.
 */
export interface IndexWindow {
  axisA: number;
  axisB: number | null;
  factorA: number;
  factorB: number;
  offset: number;
  dilation: number;
  limit: number;
  stride: number;
}

/** Another operand's int32 element at the same index, from 0 to below `limit`, times `stride` is added to the position. */
export interface IndexGather {
  operand: number;
  stride: number;
  limit: number;
}

/**
 * Where an element's input is: at byte `offset` + width of `type` * (sum of strides[a] * digit a + windows + gather).
 * In the space `immediate` the offset is the value's 32 bits; in `index` the value is offset + the sum.
 */
export interface Operand {
  space: OperandSpace;
  type: ProgramType;
  offset: number;
  /** One for each axis of the domain. */
  strides: readonly number[];
  windows: readonly IndexWindow[];
  gather: IndexGather | null;
}

/** One primitive tensor operation of a step. */
export interface OperationRecord {
  opcode: Opcode;
  /** Of the output. */
  type: ProgramType;
  /** Of the output, row-major. */
  shape: readonly number[];
  /** Axes over which one output element reads a list; empty for an elementwise operation. */
  list: readonly number[];
  operands: readonly Operand[];
  /** Four words; what they mean depends on the opcode. */
  parameters: readonly [number, number, number, number];
  /** Where the output begins in the trace, in chunks. */
  outputChunk: number;
}

/** One array of the state: parameters, an optimizer's slot, or a scalar. All float32. */
export interface ProgramStateEntry {
  name: string;
  /** Byte offset in the state, a multiple of a chunk. */
  offset: number;
  elements: number;
  /** Chunk of the trace where the array's value after the step begins. */
  traceChunk: number;
}

/**
 * The list of tensor operations of one training step: what the design calls the Program. It is derived from the JSON
 * document of a model, an optimizer and a loss (`Program` in this library), for one batch size and one form of row.
 */
export interface StepProgram {
  batchSize: number;
  /** Bytes of a row of the training view. */
  rowBytes: number;
  operations: readonly OperationRecord[];
  state: readonly ProgramStateEntry[];
  /** A whole number of chunks. */
  constants: Uint8Array;
  /** Chunk of the trace whose first element is the loss; its metric, or null if there is none. */
  lossChunk: number;
  metricChunk: number | null;
}

/** Elements of a shape. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Chunks that hold some bytes. */
export function chunksOf(bytes: number): number {
  return Math.ceil(bytes / PROGRAM_CHUNK_BYTES);
}
