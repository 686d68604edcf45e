import { encodeRow, InvalidDocumentError, type ViewColumn } from '@cotrain/protocol';
import { CommandError, exitCodes } from '../client/errors.ts';
import { readLines, type TextLine } from './delimited-lines.ts';

/**
 * Encoded rows of a file with one JSON object a line, such as `{"image": [0, 12], "digit": 3}`, one at a time.
 * @throws CommandError naming file, line, column and what is wrong
 */
export async function* readJsonRows(
  file: string,
  columns: readonly ViewColumn[],
  onLine: (line: TextLine) => void = () => undefined,
): AsyncGenerator<Uint8Array> {
  for await (const line of readLines(file)) {
    onLine(line);
    if (line.text.trim() === '') continue;
    try {
      const row = JSON.parse(line.text) as unknown;
      if (typeof row !== 'object' || row === null || Array.isArray(row)) throw new SyntaxError('it is no JSON object');
      yield encodeRow(columns, new Map(Object.entries(row).map(([name, value]) => [name, elementsOf(value)])));
    } catch (cause) {
      if (!(cause instanceof InvalidDocumentError) && !(cause instanceof SyntaxError)) throw cause;
      throw new CommandError(
        exitCodes.usage,
        `${file}, line ${String(line.number)}: ${cause.message} Write one JSON object a line, with the columns of --columns; all values are numbers, classes from 0.`,
        { cause },
      );
    }
  }
}

/** A scalar or nested lists; what is no number becomes NaN, which no type holds. */
function elementsOf(value: unknown): number[] {
  const flat = Array.isArray(value) ? (value.flat(8) as unknown[]) : [value];
  return flat.map((item) => (typeof item === 'number' ? item : Number.NaN));
}
