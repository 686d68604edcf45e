import type { z } from 'zod';
import { canonicalJson, type DocumentBounds, parseCanonicalJson } from './canonical-json.ts';
import { describeIssue } from './describe-issue.ts';
import { DocumentTooLargeError, InvalidDocumentError } from './errors.ts';

/** A document format: a schema, its bounds, and its canonical encoding. */
export interface DocumentFormat<T> {
  /** @throws InvalidDocumentError, DocumentTooLargeError */
  encode(value: T): Uint8Array;
  /** @throws InvalidDocumentError, DocumentTooLargeError */
  decode(bytes: Uint8Array): T;
  /** Checks a value that is already parsed. @throws InvalidDocumentError */
  validate(value: unknown): T;
}

/** Combines a schema with the canonical encoding. */
export function documentFormat<T>(schema: z.ZodType<T>, bounds: DocumentBounds): DocumentFormat<T> {
  const validate = (value: unknown): T => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const { field, reason } = describeIssue(result.error, value);
    throw new InvalidDocumentError(bounds.document, field, reason, { cause: result.error });
  };
  return {
    validate,
    encode(value) {
      const bytes = canonicalJson(validate(value), bounds.maxDepth);
      if (bytes.length > bounds.maxBytes)
        throw new DocumentTooLargeError(bounds.document, bytes.length, bounds.maxBytes);
      return bytes;
    },
    decode: (bytes) => validate(parseCanonicalJson(bytes, bounds)),
  };
}
