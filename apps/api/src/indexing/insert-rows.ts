import type { Transaction } from '../database/database.ts';

const rowsPerStatement = 2_000;

/**
 * Inserts many rows with one statement per 2,000: they travel as one JSON parameter and the database takes them apart,
 * which costs a tenth of one parameter per value. With `key`, a row that is there is replaced.
 * @param table a table of the schema, never a user's text
 * @param rows all with the same columns
 */
export async function insertRows(
  tx: Transaction,
  table: string,
  rows: readonly object[],
  key: readonly string[] = [],
): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  const columns = Object.keys(first);
  const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');
  const others = columns.filter((column) => !key.includes(column));
  const conflict =
    key.length === 0
      ? ''
      : ` ON CONFLICT (${quoted(key)}) DO UPDATE SET ${others.map((name) => `"${name}" = excluded."${name}"`).join(', ')}`;
  const statement = `INSERT INTO "${table}" (${quoted(columns)}) SELECT ${quoted(columns)} FROM json_populate_recordset(NULL::"${table}", $1::json)${conflict}`;
  for (let start = 0; start < rows.length; start += rowsPerStatement)
    await tx.$executeRawUnsafe(statement, JSON.stringify(rows.slice(start, start + rowsPerStatement)));
}
