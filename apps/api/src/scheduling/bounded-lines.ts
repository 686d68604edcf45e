import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** Calls back for each line. One that is longer than `maxLength` characters is dropped, without being kept in memory. */
export function onLines(input: Readable, maxLength: number, onLine: (line: string) => void): void {
  const decoder = new StringDecoder('utf8');
  let line = '';
  let tooLong = false;
  const take = (text: string): void => {
    let start = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      add(text.slice(start, end));
      if (!tooLong) onLine(line);
      line = '';
      tooLong = false;
      start = end + 1;
    }
    add(text.slice(start));
  };
  const add = (piece: string): void => {
    tooLong ||= line.length + piece.length > maxLength;
    line = tooLong ? '' : line + piece;
  };
  input.on('data', (chunk: Buffer) => {
    take(decoder.write(chunk));
  });
  input.on('end', () => {
    take(decoder.end());
    if (!tooLong && line !== '') onLine(line);
  });
}
