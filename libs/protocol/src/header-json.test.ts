import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { InvalidDocumentError, InvalidReferenceError, OutOfRangeError, ProtocolError } from './errors.ts';
import { formatHeaderJson, parseHeaderJson } from './header-json.ts';
import { type JobHeader, MAX_BATCH_SIZE, MAX_COMMIT_EVERY, MAX_ROW_BYTES, MAX_ROWS, MAX_STEPS } from './job-header.ts';
import { toHex } from './reference.ts';

const reference = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => toHex(bytes));
const headers: fc.Arbitrary<JobHeader> = fc.record({
  jobSpecReference: reference,
  programReference: reference,
  trainingViewReference: reference,
  initialStateReference: reference,
  rows: fc.bigInt({ min: 1n, max: MAX_ROWS }),
  rowBytes: fc.integer({ min: 1, max: MAX_ROW_BYTES }),
  seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  steps: fc.integer({ min: 1, max: MAX_STEPS }),
  batchSize: fc.integer({ min: 1, max: MAX_BATCH_SIZE }),
  commitEvery: fc.integer({ min: 1, max: MAX_COMMIT_EVERY }),
});
const [example] = fc.sample(headers, { numRuns: 1, seed: 1 });
const withField = (field: string, value: unknown): string =>
  JSON.stringify({ ...(JSON.parse(formatHeaderJson(example!)) as object), [field]: value });

describe('a JobHeader as JSON', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(headers, (header) => {
        expect(parseHeaderJson(formatHeaderJson(header))).toEqual(header);
      }),
    );
  });

  it('may have small numbers as numbers and all as strings', () => {
    expect(parseHeaderJson(withField('seed', 5)).seed).toBe(5n);
    expect(parseHeaderJson(withField('steps', '5')).steps).toBe(5);
  });

  it('is refused with its field when it is wrong', () => {
    expect(() => parseHeaderJson('{')).toThrow(InvalidDocumentError);
    expect(() => parseHeaderJson(withField('extra', 1))).toThrow(/extra/);
    expect(() => parseHeaderJson(withField('steps', 1.5))).toThrow(/JobHeader: steps/);
    expect(() => parseHeaderJson(withField('seed', '-1'))).toThrow(/JobHeader: seed/);
    expect(() => parseHeaderJson(withField('seed', String(2n ** 64n)))).toThrow(OutOfRangeError);
    expect(() => parseHeaderJson(withField('commitEvery', 129))).toThrow(OutOfRangeError);
    expect(() => parseHeaderJson(withField('programReference', 'nothing'))).toThrow(InvalidReferenceError);
  });

  it('never fails in any other way', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(() => parseHeaderJson(text)).toThrow(ProtocolError);
      }),
    );
  });
});
