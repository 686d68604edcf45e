import { DocumentTooLargeError } from '../errors.ts';
import { stateBytes, traceBytes } from './layout.ts';
import { invalid, readRecord, RECORD_BYTES, safeNumber, writeRecord } from './record-encoding.ts';
import {
  chunksOf,
  MAX_CONSTANT_BYTES,
  MAX_OPERATIONS,
  MAX_STATE_ENTRIES,
  PROGRAM_CHUNK_BYTES,
  type ProgramStateEntry,
  type StepProgram,
} from './step-program.ts';
import { validateProgram } from './validate.ts';

const magic = 'cotrain program/1';
export const STATE_ENTRY_BYTES = 128;
const nameAt = 32;
/** Bytes of a state entry's name in UTF-8. */
export const MAX_STATE_NAME_BYTES = STATE_ENTRY_BYTES - nameAt;
const absent = 2n ** 64n - 1n;

const padded = (bytes: number): number => chunksOf(bytes) * PROGRAM_CHUNK_BYTES;

/** Where the parts of a program's file begin, and its length. */
export function programSections(operations: number, stateEntries: number, constantBytes: number) {
  const operationsAt = PROGRAM_CHUNK_BYTES;
  const stateAt = operationsAt + padded(operations * RECORD_BYTES);
  const constantsAt = stateAt + padded(stateEntries * STATE_ENTRY_BYTES);
  return { operationsAt, stateAt, constantsAt, length: constantsAt + constantBytes };
}

/**
 * The bytes of a program, whose reference a JobHeader can hold.
 * @throws InvalidStepProgramError
 */
export function encodeStepProgram(program: StepProgram): Uint8Array {
  validateProgram(program);
  return writeProgram(program);
}

/** As `encodeStepProgram`, for programs that may break rules which the encoding can express. */
export function writeProgram(program: StepProgram): Uint8Array {
  const { operations, state, constants } = program;
  const { operationsAt, stateAt, constantsAt, length } = programSections(
    operations.length,
    state.length,
    constants.length,
  );
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(magic));
  const words = [
    ...[program.batchSize, program.rowBytes, operations.length, state.length, constants.length],
    ...[traceBytes(program), stateBytes(program), program.lossChunk],
  ];
  words.forEach((word, i) => {
    view.setBigUint64(32 + 8 * i, BigInt(word));
  });
  view.setBigUint64(32 + 8 * words.length, program.metricChunk === null ? absent : BigInt(program.metricChunk));
  operations.forEach((record, i) => {
    writeRecord(view, operationsAt + i * RECORD_BYTES, record);
  });
  state.forEach((entry, i) => {
    const at = stateAt + i * STATE_ENTRY_BYTES;
    view.setBigUint64(at, BigInt(entry.offset));
    view.setBigUint64(at + 8, BigInt(entry.elements));
    view.setBigUint64(at + 16, BigInt(entry.traceChunk));
    bytes.set(new TextEncoder().encode(entry.name).subarray(0, MAX_STATE_NAME_BYTES), at + nameAt);
  });
  bytes.set(constants, constantsAt);
  return bytes;
}

/** Reads a program and checks every rule. @throws InvalidEncodingError, InvalidStepProgramError, DocumentTooLargeError */
export function decodeStepProgram(bytes: Uint8Array): StepProgram {
  return validateProgram(readProgram(bytes));
}

/**
 * Reads a program that has exactly one spelling, without checking that its operations make sense.
 * @throws InvalidEncodingError, DocumentTooLargeError
 */
export function readProgram(bytes: Uint8Array): StepProgram {
  if (bytes.length < PROGRAM_CHUNK_BYTES || bytes.length % PROGRAM_CHUNK_BYTES !== 0)
    throw invalid(bytes.length, 'the length is no whole number of chunks.');
  if (new TextDecoder('latin1').decode(bytes.subarray(0, magic.length)) !== magic)
    throw invalid(0, `it does not begin with '${magic}'.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (i: number): number => safeNumber(view, 32 + 8 * i);
  const [operationCount, stateCount, constantBytes] = [word(2), word(3), word(4)];
  bounded('operations', operationCount, MAX_OPERATIONS);
  bounded('state entries', stateCount, MAX_STATE_ENTRIES);
  bounded('bytes of constants', constantBytes, MAX_CONSTANT_BYTES);
  if (constantBytes % PROGRAM_CHUNK_BYTES !== 0) throw invalid(64, 'the constants are no whole number of chunks.');
  const { operationsAt, stateAt, constantsAt, length } = programSections(operationCount, stateCount, constantBytes);
  if (length !== bytes.length)
    throw invalid(bytes.length, `the length is ${String(bytes.length)}, not ${String(length)}.`);
  const metric = view.getBigUint64(32 + 8 * 8);
  const program: StepProgram = {
    batchSize: word(0),
    rowBytes: word(1),
    operations: Array.from({ length: operationCount }, (_, i) => readRecord(view, operationsAt + i * RECORD_BYTES)),
    state: Array.from({ length: stateCount }, (_, i) => readStateEntry(view, stateAt + i * STATE_ENTRY_BYTES)),
    constants: bytes.slice(constantsAt),
    lossChunk: word(7),
    metricChunk: metric === absent ? null : safeNumber(view, 32 + 8 * 8),
  };
  const again = writeProgram(program);
  const different = again.findIndex((byte, at) => byte !== bytes[at]);
  if (different >= 0) throw invalid(different, 'the byte is not the one that this program is written with.');
  return program;
}

function readStateEntry(view: DataView, at: number): ProgramStateEntry {
  const name = new Uint8Array(view.buffer, view.byteOffset + at + nameAt, MAX_STATE_NAME_BYTES);
  const end = name.indexOf(0);
  return {
    name: new TextDecoder().decode(name.subarray(0, end < 0 ? name.length : end)),
    offset: safeNumber(view, at),
    elements: safeNumber(view, at + 8),
    traceChunk: safeNumber(view, at + 16),
  };
}

function bounded(what: string, value: number, largest: number): void {
  if (value > largest) throw new DocumentTooLargeError(`Program (${what})`, value, largest);
}
