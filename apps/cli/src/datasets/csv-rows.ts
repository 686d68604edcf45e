import { columnElements, encodeRow, InvalidDocumentError, type ViewColumn } from '@cotrain/protocol';
import { CommandError, exitCodes } from '../client/errors.ts';
import { csvFields, CsvSyntaxError } from './csv-fields.ts';
import { readLines, type TextLine } from './delimited-lines.ts';

/** For each column of the view, in its order, which fields of a line are its elements. */
export type CsvLayout = readonly { column: ViewColumn; fields: readonly number[] }[];

const numberPattern = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/;

/** The names in the first line of a CSV file. @throws CommandError when there is none or two are the same */
export async function readCsvHeader(file: string): Promise<string[]> {
  for await (const line of readLines(file)) {
    const names = fieldsOf(file, line).map((name) => name.trim());
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined || names.includes(''))
      throw wrong(
        file,
        line.number,
        twice === undefined || twice === ''
          ? 'a column has no name. The first line must name every column.'
          : `column ${twice} is there twice. Rename one of them.`,
      );
    return names;
  }
  throw new CommandError(exitCodes.usage, `${file} is empty. Its first line must name the columns.`);
}

/**
 * Which fields make up the columns of the view. A column of one element is the field of its name; one of more
 * elements is made of the fields `name0`, `name1` ... (also `name.0`, `name_0`, `name[0]`, and counting from 1).
 * @throws CommandError naming the column and the fields that are missing
 */
export function layOutCsv(file: string, names: readonly string[], columns: readonly ViewColumn[]): CsvLayout {
  return columns.map((column) => {
    const elements = columnElements(column);
    const exact = names.indexOf(column.name);
    if (elements === 1 && exact !== -1) return { column, fields: [exact] };
    const numbered = names
      .map((name, field) => ({ field, number: elementNumber(name, column.name) }))
      .filter((entry): entry is { field: number; number: number } => entry.number !== null)
      .sort((a, b) => a.number - b.number);
    const first = numbered[0]?.number ?? 0;
    const complete =
      numbered.length === elements && first <= 1 && numbered.every(({ number }, index) => number === first + index);
    if (complete) return { column, fields: numbered.map(({ field }) => field) };
    const wanted = elements === 1 ? column.name : `${column.name}0 to ${column.name}${String(elements - 1)}`;
    throw new CommandError(
      exitCodes.usage,
      `${file}: column ${column.name} needs ${wanted} in the first line, which has ${String(numbered.length)} of ${String(elements)} (${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}). Correct the file or --columns.`,
    );
  });
}

/** Columns of a CSV file of numbers without a description: one target, all others one input of float32. */
export function inferCsvColumns(file: string, names: readonly string[], target: string): CsvLayout {
  const targetField = names.indexOf(target);
  if (targetField === -1)
    throw new CommandError(
      exitCodes.usage,
      `--target is ${target}; the columns of ${file} are ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}.`,
    );
  const inputs = names.map((_, field) => field).filter((field) => field !== targetField);
  if (inputs.length === 0)
    throw new CommandError(exitCodes.usage, `${file} has no column beside the target ${target}: there is no input.`);
  return [
    { column: { name: 'features', role: 'input', dtype: 'float32', shape: [inputs.length] }, fields: inputs },
    { column: { name: target, role: 'target', dtype: 'int32', shape: [] }, fields: [targetField] },
  ];
}

/**
 * Encoded rows of a CSV file, one at a time.
 * @throws CommandError naming file, line, column and value of what is wrong
 */
export async function* readCsvRows(
  file: string,
  names: readonly string[],
  layout: CsvLayout,
  onLine: (line: TextLine) => void = () => undefined,
): AsyncGenerator<Uint8Array> {
  const columns = layout.map(({ column }) => column);
  for await (const line of readLines(file)) {
    onLine(line);
    if (line.number === 1 || line.text.trim() === '') continue;
    const fields = fieldsOf(file, line);
    if (fields.length !== names.length)
      throw wrong(
        file,
        line.number,
        `has ${String(fields.length)} fields; the first line names ${String(names.length)}. Correct the line.`,
      );
    const row = new Map<string, number[]>();
    for (const { column, fields: indices } of layout) {
      row.set(
        column.name,
        indices.map((index) => {
          const text = fields[index] ?? '';
          const value = numberPattern.test(text) ? Number(text) : Number.NaN;
          checkValue(column, value, () =>
            wrong(
              file,
              line.number,
              `column ${names[index] ?? ''} is ${JSON.stringify(text.slice(0, 80))}, which is no ${column.dtype}${column.dtype === 'float32' ? '' : ' (a whole number in its range)'}. ${remedyOf(column, text)}`,
            ),
          );
          return value;
        }),
      );
    }
    try {
      yield encodeRow(columns, row);
    } catch (cause) {
      if (cause instanceof InvalidDocumentError) throw wrong(file, line.number, cause.message);
      throw cause;
    }
  }
}

function checkValue(column: ViewColumn, value: number, refusal: () => CommandError): void {
  const ranges = { uint8: [0, 255], int32: [-(2 ** 31), 2 ** 31 - 1] } as const;
  const fits =
    column.dtype === 'float32'
      ? Number.isFinite(Math.fround(value))
      : Number.isInteger(value) && value >= ranges[column.dtype][0] && value <= ranges[column.dtype][1];
  if (!fits) throw refusal();
}

function remedyOf({ role }: ViewColumn, text: string): string {
  return role === 'target' && /\p{L}/u.test(text)
    ? 'Classes are numbered from 0: write 0, 1, 2 ... instead of their names.'
    : 'Correct the value, or the dtype in --columns.';
}

function elementNumber(name: string, column: string): number | null {
  if (!name.startsWith(column)) return null;
  const digits = /^[._[]?(\d{1,9})\]?$/.exec(name.slice(column.length))?.[1];
  return digits === undefined ? null : Number(digits);
}

function fieldsOf(file: string, line: TextLine): string[] {
  try {
    return csvFields(line.text);
  } catch (cause) {
    if (cause instanceof CsvSyntaxError) throw wrong(file, line.number, `${cause.message}.`);
    throw cause;
  }
}

function wrong(file: string, line: number, reason: string): CommandError {
  return new CommandError(exitCodes.usage, `${file}, line ${String(line)}: ${reason}`);
}
