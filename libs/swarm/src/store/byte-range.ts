import { HttpError } from './http-error.ts';

/** What of a body to send; `partial` if the client asked for a part of it. */
export interface ByteRange {
  start: number;
  /** Not included. */
  end: number;
  partial: boolean;
}

/** Reads a Range header with one range; other forms are ignored, as HTTP allows. */
export function parseByteRange(header: string | undefined, length: number): ByteRange {
  const match = /^bytes=([0-9]{0,16})-([0-9]{0,16})$/.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (match === null || (first === '' && last === '')) return { start: 0, end: length, partial: false };
  const start = first === '' ? Math.max(0, length - Number(last)) : Number(first);
  const end = first === '' || last === '' ? length : Math.min(length, Number(last) + 1);
  if (start >= length || end <= start) throw new HttpError(416, 'requested range not satisfiable');
  return { start, end, partial: true };
}
