/** A value as one line of JSON; amounts become decimal strings, because JSON numbers end at 2^53. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item));
}

/** Prints a result: one JSON document for scripts, lines for people. */
export function printResult(flags: { json?: boolean }, value: unknown, lines: () => readonly string[]): void {
  if (flags.json === true) console.log(jsonLine(value));
  else for (const line of lines()) console.log(line);
}
