import { z } from 'zod';
import { describeIssue } from './describe-issue.ts';
import { InvalidDocumentError } from './errors.ts';
import { checkJobHeader, type JobHeader } from './job-header.ts';
import { parseReference } from './reference.ts';

const reference = z.string().max(66);
/** 64-bit numbers are decimal strings in JSON; small ones may be numbers. */
const integer = z.union([
  z.string().regex(/^(0|[1-9][0-9]{0,19})$/, 'must be a decimal whole number'),
  z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
]);

const headerSchema = z.strictObject({
  jobSpecReference: reference,
  programReference: reference,
  trainingViewReference: reference,
  initialStateReference: reference,
  rows: integer,
  rowBytes: integer,
  seed: integer,
  steps: integer,
  batchSize: integer,
  commitEvery: integer,
});

/**
 * Reads a JobHeader from JSON, as the command line of the trainer takes it.
 * @throws InvalidDocumentError, InvalidReferenceError, OutOfRangeError
 */
export function parseHeaderJson(text: string): JobHeader {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InvalidDocumentError('JobHeader', '', 'is not JSON: give the object that `cotrain` writes.', { cause });
  }
  const result = headerSchema.safeParse(value);
  if (!result.success) {
    const { field, reason } = describeIssue(result.error, value);
    throw new InvalidDocumentError('JobHeader', field, reason, { cause: result.error });
  }
  const fields = result.data;
  return checkJobHeader({
    jobSpecReference: parseReference(fields.jobSpecReference, 'jobSpecReference'),
    programReference: parseReference(fields.programReference, 'programReference'),
    trainingViewReference: parseReference(fields.trainingViewReference, 'trainingViewReference'),
    initialStateReference: parseReference(fields.initialStateReference, 'initialStateReference'),
    rows: BigInt(fields.rows),
    rowBytes: Number(fields.rowBytes),
    seed: BigInt(fields.seed),
    steps: Number(fields.steps),
    batchSize: Number(fields.batchSize),
    commitEvery: Number(fields.commitEvery),
  });
}

/** A JobHeader as JSON, 64-bit numbers as decimal strings. */
export function formatHeaderJson(header: JobHeader): string {
  return JSON.stringify({ ...header, rows: String(header.rows), seed: String(header.seed) });
}
