import { InvalidEncodingError, OutOfRangeError } from './errors.ts';
import { keccak256 } from './keccak.ts';
import { fromHex, type Hex, type Reference, toHex } from './reference.ts';

/** What a job is. Fixed on chain when its offer opens; everything needed to reproduce a batch follows from it. */
export interface JobHeader {
  jobSpecReference: Reference;
  programReference: Reference;
  trainingViewReference: Reference;
  /** State root of S0. */
  initialStateReference: Reference;
  rows: bigint;
  rowBytes: number;
  seed: bigint;
  steps: number;
  batchSize: number;
  /** Steps per segment, 1 to 128. */
  commitEvery: number;
}

/** Ten ABI words. */
export const JOB_HEADER_BYTES = 320;
export const MAX_COMMIT_EVERY = 128;
/** Bounds that keep every derived size below 2^53. */
export const MAX_STEPS = 2 ** 24;
export const MAX_BATCH_SIZE = 2 ** 20;
export const MAX_ROW_BYTES = 2 ** 26;
export const MAX_ROWS = 2n ** 48n;

const references = ['jobSpecReference', 'programReference', 'trainingViewReference', 'initialStateReference'] as const;
const numbers = ['rows', 'rowBytes', 'seed', 'steps', 'batchSize', 'commitEvery'] as const;
const ranges: Record<(typeof numbers)[number], [bigint, bigint]> = {
  rows: [1n, MAX_ROWS],
  rowBytes: [1n, BigInt(MAX_ROW_BYTES)],
  seed: [0n, 2n ** 64n - 1n],
  steps: [1n, BigInt(MAX_STEPS)],
  batchSize: [1n, BigInt(MAX_BATCH_SIZE)],
  commitEvery: [1n, BigInt(MAX_COMMIT_EVERY)],
};

/** @throws OutOfRangeError naming the field */
export function checkJobHeader(header: JobHeader): JobHeader {
  for (const field of numbers) {
    const value = header[field];
    const [min, max] = ranges[field];
    if (typeof value === 'number' && !Number.isSafeInteger(value))
      throw new OutOfRangeError(field, value, 'a whole number');
    if (BigInt(value) < min || BigInt(value) > max)
      throw new OutOfRangeError(field, value, `from ${String(min)} to ${String(max)}`);
  }
  return header;
}

/** abi.encode of the contract's JobHeader: each field in a 32-byte big-endian word, in the struct's order. */
export function encodeJobHeader(header: JobHeader): Uint8Array {
  checkJobHeader(header);
  const bytes = new Uint8Array(JOB_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  references.forEach((field, word) => {
    bytes.set(fromHex(header[field]), word * 32);
  });
  numbers.forEach((field, index) => {
    view.setBigUint64((references.length + index) * 32 + 24, BigInt(header[field]));
  });
  return bytes;
}

/** @throws InvalidEncodingError, OutOfRangeError */
export function decodeJobHeader(bytes: Uint8Array): JobHeader {
  if (bytes.length !== JOB_HEADER_BYTES)
    throw new InvalidEncodingError(
      'JobHeader',
      bytes.length,
      `the length is ${String(bytes.length)}, not ${String(JOB_HEADER_BYTES)}.`,
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (field: (typeof numbers)[number]): bigint => {
    const start = (references.length + numbers.indexOf(field)) * 32;
    if (bytes.subarray(start, start + 24).some((byte) => byte !== 0))
      throw new InvalidEncodingError('JobHeader', start, `${field} does not fit in 64 bits.`);
    const value = view.getBigUint64(start + 24);
    const [min, max] = ranges[field];
    if (value < min || value > max) throw new OutOfRangeError(field, value, `from ${String(min)} to ${String(max)}`);
    return value;
  };
  const reference = (index: number): Reference => toHex(bytes.subarray(index * 32, index * 32 + 32));
  return {
    jobSpecReference: reference(0),
    programReference: reference(1),
    trainingViewReference: reference(2),
    initialStateReference: reference(3),
    rows: word('rows'),
    rowBytes: Number(word('rowBytes')),
    seed: word('seed'),
    steps: Number(word('steps')),
    batchSize: Number(word('batchSize')),
    commitEvery: Number(word('commitEvery')),
  };
}

/** The hash that binds an offer to its job. */
export function hashJobHeader(header: JobHeader): Hex {
  return keccak256(encodeJobHeader(header));
}

/** Number of segments: every segment has `commitEvery` steps, the last one what is left. */
export function segmentCount(header: Pick<JobHeader, 'steps' | 'commitEvery'>): number {
  return Math.ceil(header.steps / header.commitEvery);
}

/** Steps of a segment: from `firstStep` up to, not including, `endStep`. @throws OutOfRangeError */
export function segmentRange(
  header: Pick<JobHeader, 'steps' | 'commitEvery'>,
  segment: number,
): { firstStep: number; endStep: number } {
  const count = segmentCount(header);
  if (!Number.isSafeInteger(segment) || segment < 0 || segment >= count)
    throw new OutOfRangeError('segment', segment, `from 0 to ${String(count - 1)}`);
  const firstStep = segment * header.commitEvery;
  return { firstStep, endStep: Math.min(firstStep + header.commitEvery, header.steps) };
}

/** Whether a segment ends with this step, so that its log entry holds a state root. */
export function endsSegment(header: Pick<JobHeader, 'steps' | 'commitEvery'>, step: number): boolean {
  return (step + 1) % header.commitEvery === 0 || step + 1 === header.steps;
}
