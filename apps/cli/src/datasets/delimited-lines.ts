import { createReadStream } from 'node:fs';
import { CommandError, exitCodes } from '../client/errors.ts';

/** A line of a file, and how far into the file it ends. */
export interface TextLine {
  number: number;
  text: string;
  bytesRead: number;
}

/** No row of a training view needs more text than this. */
const maxLineBytes = 64 * 2 ** 20;

/**
 * The lines of a UTF-8 file, one at a time, without their ends; memory is bounded by the longest line.
 * @throws CommandError when the file cannot be read or a line is longer than `limit`
 */
export async function* readLines(file: string, limit = maxLineBytes): AsyncGenerator<TextLine> {
  const pieces: Buffer[] = [];
  let pendingBytes = 0;
  let number = 0;
  let bytesRead = 0;
  const take = (end: Buffer): TextLine => {
    pieces.push(end);
    const bytes = Buffer.concat(pieces);
    pieces.length = 0;
    pendingBytes = 0;
    number++;
    const text = bytes.toString('utf8').replace(/\r$/, '');
    return { number, text: number === 1 ? text.replace(/^\uFEFF/, '') : text, bytesRead };
  };
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 18 }) as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
        bytesRead += end + 1 - start;
        const line = chunk.subarray(start, end);
        start = end + 1;
        checkLength(pendingBytes + line.length, file, number + 1, limit);
        yield take(line);
      }
      const rest = chunk.subarray(start);
      bytesRead += rest.length;
      pendingBytes += rest.length;
      checkLength(pendingBytes, file, number + 1, limit);
      if (rest.length > 0) pieces.push(rest);
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (cause instanceof CommandError || code === undefined) throw cause;
    throw new CommandError(exitCodes.usage, `${file} cannot be read: ${code}. Name a file that exists.`, { cause });
  }
  if (pendingBytes > 0) yield take(Buffer.alloc(0));
}

function checkLength(bytes: number, file: string, line: number, limit: number): void {
  if (bytes > limit)
    throw new CommandError(
      exitCodes.usage,
      `${file}, line ${String(line)}: the line has more than ${String(limit)} bytes. Is it a text file with one row a line?`,
    );
}
