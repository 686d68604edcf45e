import type { z } from 'zod';

/** What is wrong with a value that a schema refuses, for the person who wrote it. */
export interface DescribedIssue {
  /** Path such as `splits.train.rows`; empty for the whole document. */
  field: string;
  /** What is there, what is asked for instead, and keys that are not known at all. */
  reason: string;
}

const maxShownLength = 60;
const maxShownKeys = 5;

/**
 * The first issue of a schema with the value that it is about. Keys that no schema knows are named beside it: who writes
 * `optimiser` is told of that, not only that `optimizer` is missing.
 * @param value what was checked; it may be a stranger's, so that only its beginning is shown, escaped
 */
export function describeIssue(error: z.ZodError, value: unknown): DescribedIssue {
  const { issues } = error;
  const unknownKeys = issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key].map(String).join('.')) : [],
  );
  const unknown =
    unknownKeys.length === 0
      ? ''
      : `${unknownKeys.slice(0, maxShownKeys).map(quote).join(', ')} ${unknownKeys.length === 1 ? 'is no known key' : 'are no known keys'}: correct or remove`;
  const issue = issues.find(({ code }) => code !== 'unrecognized_keys');
  const field = (issue ?? issues[0])?.path.map(String).join('.') ?? '';
  if (issue === undefined) return { field, reason: `is not valid: ${unknown}.` };
  const found = valueAt(value, issue.path);
  const wanted = issue.message.replace(/, received .*$/, '').replace(/^Invalid (input|option): /, '');
  const what = found === undefined ? 'is missing' : `is ${shown(found)}, which is not valid`;
  return { field, reason: `${what}: ${wanted}.${unknown === '' ? '' : ` ${unknown}.`}` };
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<PropertyKey, unknown>)[key]
        : undefined,
    value,
  );
}

/** Values of one line as they are; of lists and objects only what they are. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${String(value.length)}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? quote(value) : String(value).slice(0, maxShownLength);
}

function quote(text: string): string {
  return JSON.stringify(text.length > maxShownLength ? `${text.slice(0, maxShownLength)}...` : text);
}
