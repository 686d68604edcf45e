/** A line that is no CSV. */
export class CsvSyntaxError extends Error {
  override readonly name = 'CsvSyntaxError';
}

/**
 * The fields of one line of CSV (RFC 4180): separated by commas, quoted where they hold one; `""` is a quote.
 * @throws CsvSyntaxError saying at which character
 */
export function csvFields(line: string): string[] {
  if (!line.includes('"')) return line.split(',');
  const fields: string[] = [];
  let position = 0;
  for (;;) {
    let field = '';
    if (line[position] === '"') {
      for (position++; ; position++) {
        const quote = line.indexOf('"', position);
        if (quote === -1)
          throw new CsvSyntaxError(`the quote of field ${String(fields.length + 1)} is not closed on this line`);
        field += line.slice(position, quote);
        position = quote + 1;
        if (line[position] !== '"') break;
        field += '"';
      }
      if (position < line.length && line[position] !== ',')
        throw new CsvSyntaxError(`character ${String(position + 1)} follows a closing quote; a comma must`);
    } else {
      const comma = line.indexOf(',', position);
      field = line.slice(position, comma === -1 ? line.length : comma);
      if (field.includes('"'))
        throw new CsvSyntaxError(`field ${String(fields.length + 1)} has a quote inside; quote the whole field`);
      position += field.length;
    }
    fields.push(field);
    if (position >= line.length) return fields;
    position++;
  }
}
