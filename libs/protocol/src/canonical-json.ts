import { DocumentTooLargeError, InvalidDocumentError } from './errors.ts';

/** A value that JSON can hold. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** Bounds on a document from elsewhere. */
export interface DocumentBounds {
  /** Name used in errors, such as `JobSpec`. */
  document: string;
  maxBytes: number;
  /** Nesting of arrays and objects; 32 unless given. */
  maxDepth?: number;
  /** Members and items of all objects and arrays; 32,768 unless given. */
  maxValues?: number;
}

const defaultMaxDepth = 32;
const defaultMaxValues = 32_768;

/**
 * The one canonical encoding of a JSON document: UTF-8, keys sorted by code unit, no white space, numbers as
 * JavaScript prints them, members that are `undefined` left out. Equal values give equal bytes.
 * @throws InvalidDocumentError for what JSON cannot hold (NaN, infinity, bigint, functions) or too deep nesting
 */
export function canonicalJson(value: unknown, maxDepth = defaultMaxDepth): Uint8Array {
  return new TextEncoder().encode(write(value, '', maxDepth));
}

function write(value: unknown, path: string, depth: number): string {
  if (depth < 0) throw new InvalidDocumentError('canonical JSON', path, 'is nested too deeply.');
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') {
    if (!value.isWellFormed())
      throw new InvalidDocumentError('canonical JSON', path, 'holds a lone surrogate: use well-formed Unicode.');
    return JSON.stringify(value);
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value))
      throw new InvalidDocumentError('canonical JSON', path, `is ${String(value)}: use a finite number.`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value))
    // Array.from visits holes too, which `map` would skip and `join` print as nothing.
    return `[${Array.from(value, (item, index) => write(item, `${path}[${String(index)}]`, depth - 1)).join(',')}]`;
  if (typeof value === 'object') {
    const members = Object.entries(value)
      .filter(([key, member]) => {
        // As a key of an assignment it would change an object's prototype instead of its members.
        if (key === '__proto__')
          throw new InvalidDocumentError('canonical JSON', path, 'has a key __proto__: rename it.');
        return member !== undefined;
      })
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([key, member]) =>
          `${write(key, path, depth)}:${write(member, path === '' ? key : `${path}.${key}`, depth - 1)}`,
      );
    return `{${members.join(',')}}`;
  }
  throw new InvalidDocumentError(
    'canonical JSON',
    path,
    `is a ${typeof value}: use null, booleans, numbers, strings, arrays and objects.`,
  );
}

/**
 * Reads a canonical JSON document from a source that is not trusted.
 * Any other spelling of the same value is refused, so that a document has exactly one reference.
 * @throws DocumentTooLargeError before anything is parsed; InvalidDocumentError for the rest
 */
export function parseCanonicalJson(bytes: Uint8Array, bounds: DocumentBounds): JsonValue {
  const { document, maxBytes, maxDepth = defaultMaxDepth } = bounds;
  if (bytes.length > maxBytes) throw new DocumentTooLargeError(document, bytes.length, maxBytes);
  refuseDeepOrWide(bytes, bounds);
  let value: JsonValue;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)) as JsonValue;
  } catch (cause) {
    throw new InvalidDocumentError(document, '', 'is not JSON in UTF-8.', { cause });
  }
  if (Buffer.compare(canonicalJson(value, maxDepth), bytes) !== 0) {
    throw new InvalidDocumentError(
      document,
      '',
      'is not in canonical form: sort the keys, drop white space and duplicate keys.',
    );
  }
  return value;
}

/**
 * JSON.parse and the writer recurse, and a byte such as `0,` becomes a value and perhaps a schema's complaint about it:
 * depth and number of values are bounded here without either, skipping what is inside strings.
 */
function refuseDeepOrWide(
  bytes: Uint8Array,
  { document, maxDepth = defaultMaxDepth, maxValues = defaultMaxValues }: DocumentBounds,
): void {
  let depth = 0;
  let values = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
      continue;
    }
    if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > maxDepth)
        throw new InvalidDocumentError(document, '', `is nested deeper than ${String(maxDepth)} levels: flatten it.`);
    } else if (byte === 0x7d || byte === 0x5d) depth--;
    // Each value is followed by a comma or is the last of a bracket.
    if ((byte === 0x2c || byte === 0x7b || byte === 0x5b) && ++values > maxValues)
      throw new InvalidDocumentError(document, '', `has more than ${String(maxValues)} values: make it smaller.`);
  }
}
