import { z } from 'zod';
import { nameSchema } from './bounded-schema.ts';
import { InvalidDocumentError, InvalidEncodingError, OutOfRangeError } from './errors.ts';
import { fromHex, type Hex, type Reference, toHex, ZERO_REFERENCE } from './reference.ts';
import { backendMismatch, jobBackendNames, runtimes } from './job-spec.ts';
import { documentFormat } from './schema-document.ts';

/** A log is one header of a chunk's size, then one entry per batch, 64 entries to a chunk. */
export const LOG_HEADER_BYTES = 4096;
export const LOG_ENTRY_BYTES = 64;

/**
 * What the log says instead of a loss where there is none: the largest float32. A step whose result is not finite, and
 * the rest of its segment, have this loss and the metric 0, and the state at the segment's end is the one at its start.
 */
export const VOID_LOSS = 3.4028234663852886e38;

const fieldsSchema = z.strictObject({
  version: z.literal('cotrain.log/1'),
  jobHeaderHash: z.string().regex(/^0x[0-9a-f]{64}$/),
  backend: z.enum(jobBackendNames),
  runtime: z.enum(runtimes),
  software: nameSchema,
});

const logHeaderSchema = fieldsSchema.superRefine(({ runtime, backend }, context) => {
  const mismatch = backendMismatch(runtime, [backend]);
  if (mismatch !== null) context.addIssue({ code: 'custom', path: ['backend'], message: mismatch });
});

/** Says which job was trained and with what. */
export interface LogHeader extends Omit<z.infer<typeof fieldsSchema>, 'jobHeaderHash'> {
  jobHeaderHash: Hex;
}

/** What is logged of one batch. Wall times are telemetry and no part of it. */
export interface LogEntry {
  /** Training loss of the batch, float32. */
  loss: number;
  /** The program's metric over the batch (0 if it has none), float32. */
  metric: number;
  /** The state after this step where a segment ends, otherwise null. */
  stateRoot: Reference | null;
}

const headerFormat = documentFormat<LogHeader>(logHeaderSchema as unknown as z.ZodType<LogHeader>, {
  document: 'LogHeader',
  maxBytes: LOG_HEADER_BYTES,
});

/** The header as canonical JSON, padded with zeros to a chunk. @throws InvalidDocumentError */
export function encodeLogHeader(header: LogHeader): Uint8Array {
  const bytes = new Uint8Array(LOG_HEADER_BYTES);
  bytes.set(headerFormat.encode(header));
  return bytes;
}

/** @throws InvalidEncodingError, InvalidDocumentError */
export function decodeLogHeader(bytes: Uint8Array): LogHeader {
  if (bytes.length !== LOG_HEADER_BYTES)
    throw new InvalidEncodingError('LogHeader', bytes.length, `the length is not ${String(LOG_HEADER_BYTES)}.`);
  const firstZero = bytes.indexOf(0);
  const end = firstZero === -1 ? bytes.length : firstZero;
  if (bytes.subarray(end).some((byte) => byte !== 0))
    throw new InvalidDocumentError('LogHeader', 'padding', 'is not zero.');
  return headerFormat.decode(bytes.subarray(0, end));
}

/** Bytes of a whole log. */
export function logLength(steps: number): number {
  return LOG_HEADER_BYTES + LOG_ENTRY_BYTES * steps;
}

/** Where a step's entry begins. */
export function logEntryOffset(step: number): number {
  return LOG_HEADER_BYTES + LOG_ENTRY_BYTES * step;
}

/** loss float32 BE, metric float32 BE, 24 zero bytes, state root or zero. @throws OutOfRangeError for a number that is not finite */
export function encodeLogEntry(entry: LogEntry): Uint8Array {
  const bytes = new Uint8Array(LOG_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [offset, field] of [
    [0, 'loss'],
    [4, 'metric'],
  ] as const) {
    if (!Number.isFinite(Math.fround(entry[field]))) throw new OutOfRangeError(field, entry[field], 'a finite float32');
    view.setFloat32(offset, entry[field]);
  }
  if (entry.stateRoot !== null) bytes.set(fromHex(entry.stateRoot), 32);
  return bytes;
}

/** @throws InvalidEncodingError */
export function decodeLogEntry(bytes: Uint8Array): LogEntry {
  if (bytes.length !== LOG_ENTRY_BYTES)
    throw new InvalidEncodingError('LogEntry', bytes.length, `the length is not ${String(LOG_ENTRY_BYTES)}.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const loss = view.getFloat32(0);
  const metric = view.getFloat32(4);
  if (!Number.isFinite(loss)) throw new InvalidEncodingError('LogEntry', 0, 'the loss is not finite.');
  if (!Number.isFinite(metric)) throw new InvalidEncodingError('LogEntry', 4, 'the metric is not finite.');
  if (bytes.subarray(8, 32).some((byte) => byte !== 0))
    throw new InvalidEncodingError('LogEntry', 8, 'the reserved bytes are not zero.');
  const stateRoot = toHex(bytes.subarray(32));
  return { loss, metric, stateRoot: stateRoot === ZERO_REFERENCE ? null : stateRoot };
}
