import { type FileHandle, open } from 'node:fs/promises';
import {
  decodeLogHeader,
  encodeLogEntry,
  encodeLogHeader,
  LOG_ENTRY_BYTES,
  LOG_HEADER_BYTES,
  type LogEntry,
  type LogHeader,
} from '@cotrain/protocol';

/** Entries kept in memory before they are written; sync() writes and makes them durable. */
const bufferedEntries = 64;

/** The training log on disk. Only what sync() returned for counts; the rest is cut off when training continues. */
export class LogFile {
  #buffer: Uint8Array[] = [];
  #bytes: number;
  readonly #file: FileHandle;

  private constructor(file: FileHandle, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
  }

  /** The header of a log that an earlier run began, or null. */
  static async header(path: string): Promise<LogHeader | null> {
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    try {
      const bytes = new Uint8Array(LOG_HEADER_BYTES);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      // A run may have ended before the header was whole; then there is nothing to continue.
      return bytesRead === LOG_HEADER_BYTES && bytes[0] !== 0 ? decodeLogHeader(bytes) : null;
    } finally {
      await file.close();
    }
  }

  /** Begins a log, replacing what was there. */
  static async create(path: string, header: LogHeader): Promise<LogFile> {
    const file = await open(path, 'w+');
    const log = new LogFile(file, 0);
    log.#append(encodeLogHeader(header));
    await log.sync();
    return log;
  }

  /** Continues a log after its first `bytes` bytes, or returns null if it is shorter. */
  static async resume(path: string, bytes: number): Promise<LogFile | null> {
    const file = await open(path, 'r+');
    if ((await file.stat()).size < bytes) {
      await file.close();
      return null;
    }
    await file.truncate(bytes);
    return new LogFile(file, bytes);
  }

  /** Bytes of the log, written or about to be. */
  get bytes(): number {
    return this.#bytes;
  }

  async append(entry: LogEntry): Promise<void> {
    this.#append(encodeLogEntry(entry));
    if (this.#buffer.length >= bufferedEntries) await this.#flush();
  }

  /** Makes everything appended so far durable. */
  async sync(): Promise<void> {
    await this.#flush();
    await this.#file.datasync();
  }

  /** The log's bytes in pieces. */
  async *read(): AsyncGenerator<Uint8Array> {
    await this.#flush();
    for (let position = 0; position < this.#bytes;) {
      const piece = new Uint8Array(Math.min(LOG_ENTRY_BYTES * 8_192, this.#bytes - position));
      const { bytesRead } = await this.#file.read(piece, 0, piece.length, position);
      if (bytesRead === 0) throw new Error(`the log file is shorter than ${String(this.#bytes)} bytes`);
      yield piece.subarray(0, bytesRead);
      position += bytesRead;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #append(bytes: Uint8Array): void {
    this.#buffer.push(bytes);
    this.#bytes += bytes.length;
  }

  async #flush(): Promise<void> {
    if (this.#buffer.length === 0) return;
    const bytes = Buffer.concat(this.#buffer);
    const position = this.#bytes - bytes.length;
    this.#buffer = [];
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await this.#file.write(bytes, written, bytes.length - written, position + written);
      written += bytesWritten;
    }
  }
}
