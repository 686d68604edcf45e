import { InvalidEncodingError } from '../errors.ts';
import { opcodeNumbers, opcodesByNumber, operandSpaces, programTypes } from './opcodes.ts';
import {
  type IndexWindow,
  MAX_AXES,
  MAX_OPERANDS,
  MAX_WINDOWS,
  type Operand,
  type OperationRecord,
  PARAMETERS,
} from './step-program.ts';

/** Bytes of an operation's record: eight lie in a chunk, and none straddles one. */
export const RECORD_BYTES = 512;
const axesAt = 16;
const parametersAt = 40;
const operandsAt = 128;
const operandBytes = 96;
const stridesAt = 20;
const windowsAt = 44;
const windowBytes = 24;
const noAxis = 255;

/** Writes a record. Numbers are big-endian, as the chain reads them. Fields are in range: `validateProgram` saw them. */
export function writeRecord(view: DataView, at: number, record: OperationRecord): void {
  view.setUint8(at, opcodeNumbers.get(record.opcode) as number);
  view.setUint8(at + 1, programTypes.indexOf(record.type) + 1);
  view.setUint8(at + 2, record.shape.length);
  view.setUint8(at + 3, record.list.length);
  view.setUint8(at + 4, record.operands.length);
  view.setBigUint64(at + 8, BigInt(record.outputChunk));
  [...record.shape, ...record.list].forEach((length, axis) => {
    view.setUint32(at + axesAt + 4 * axis, length);
  });
  record.parameters.forEach((word, i) => {
    view.setUint32(at + parametersAt + 4 * i, word);
  });
  record.operands.forEach((operand, i) => {
    writeOperand(view, at + operandsAt + i * operandBytes, operand);
  });
}

function writeOperand(view: DataView, at: number, operand: Operand): void {
  view.setUint8(at, operandSpaces.indexOf(operand.space) + 1);
  view.setUint8(at + 1, programTypes.indexOf(operand.type) + 1);
  if (operand.gather !== null) {
    view.setUint8(at + 2, operand.gather.operand + 1);
    view.setInt32(at + 4, operand.gather.stride);
    view.setUint32(at + 8, operand.gather.limit);
  }
  view.setBigUint64(at + 12, BigInt(operand.offset));
  operand.strides.forEach((stride, axis) => {
    view.setInt32(at + stridesAt + 4 * axis, stride);
  });
  operand.windows.forEach((window, i) => {
    writeWindow(view, at + windowsAt + i * windowBytes, window);
  });
}

function writeWindow(view: DataView, at: number, window: IndexWindow): void {
  view.setUint8(at, window.axisA);
  view.setUint8(at + 1, window.axisB ?? noAxis);
  view.setUint16(at + 2, window.dilation);
  view.setInt32(at + 4, window.factorA);
  view.setInt32(at + 8, window.factorB);
  view.setInt32(at + 12, window.offset);
  view.setUint32(at + 16, window.limit);
  view.setInt32(at + 20, window.stride);
}

/** Reads a record; whether its bytes are the only spelling is for the caller to see. @throws InvalidEncodingError */
export function readRecord(view: DataView, at: number): OperationRecord {
  const opcode = opcodesByNumber.get(view.getUint8(at));
  if (opcode === undefined) throw invalid(at, `${String(view.getUint8(at))} is no opcode.`);
  const [rank, listRank, operandCount] = [view.getUint8(at + 2), view.getUint8(at + 3), view.getUint8(at + 4)];
  if (rank + listRank > MAX_AXES)
    throw invalid(at + 2, `there are ${String(rank + listRank)} axes; at most ${String(MAX_AXES)} are possible.`);
  if (operandCount > MAX_OPERANDS)
    throw invalid(at + 4, `there are ${String(operandCount)} operands; at most ${String(MAX_OPERANDS)} are possible.`);
  const axes = Array.from({ length: rank + listRank }, (_, axis) => view.getUint32(at + axesAt + 4 * axis));
  return {
    opcode,
    type: entry(programTypes, view, at + 1, 'type'),
    shape: axes.slice(0, rank),
    list: axes.slice(rank),
    operands: Array.from({ length: operandCount }, (_, i) =>
      readOperand(view, at + operandsAt + i * operandBytes, axes.length),
    ),
    parameters: Array.from({ length: PARAMETERS }, (_, i) =>
      view.getUint32(at + parametersAt + 4 * i),
    ) as unknown as OperationRecord['parameters'],
    outputChunk: safeNumber(view, at + 8),
  };
}

function readOperand(view: DataView, at: number, axes: number): Operand {
  const gathered = view.getUint8(at + 2);
  return {
    space: entry(operandSpaces, view, at, 'space'),
    type: entry(programTypes, view, at + 1, 'type'),
    offset: safeNumber(view, at + 12),
    strides: Array.from({ length: axes }, (_, axis) => view.getInt32(at + stridesAt + 4 * axis)),
    windows: Array.from({ length: MAX_WINDOWS }, (_, i) => at + windowsAt + i * windowBytes)
      .filter((start) => view.getUint32(start + 16) !== 0)
      .map((start) => readWindow(view, start)),
    gather:
      gathered === 0 ? null : { operand: gathered - 1, stride: view.getInt32(at + 4), limit: view.getUint32(at + 8) },
  };
}

function readWindow(view: DataView, at: number): IndexWindow {
  const axisB = view.getUint8(at + 1);
  return {
    axisA: view.getUint8(at),
    axisB: axisB === noAxis ? null : axisB,
    dilation: view.getUint16(at + 2),
    factorA: view.getInt32(at + 4),
    factorB: view.getInt32(at + 8),
    offset: view.getInt32(at + 12),
    limit: view.getUint32(at + 16),
    stride: view.getInt32(at + 20),
  };
}

/** A 64-bit number that a double holds. @throws InvalidEncodingError */
export function safeNumber(view: DataView, at: number): number {
  const value = view.getBigUint64(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(at, `${String(value)} is beyond 2^53.`);
  return Number(value);
}

function entry<T>(list: readonly T[], view: DataView, at: number, what: string): T {
  const number = view.getUint8(at);
  const found = list[number - 1];
  if (found === undefined) throw invalid(at, `${String(number)} is no ${what}.`);
  return found;
}

export function invalid(at: number, reason: string): InvalidEncodingError {
  return new InvalidEncodingError('Program', at, reason);
}
