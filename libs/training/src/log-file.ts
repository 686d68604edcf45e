import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import {
  decodeLogEntry,
  decodeLogHeader,
  encodeLogEntry,
  encodeLogHeader,
  LOG_ENTRY_BYTES,
  LOG_HEADER_BYTES,
  type LogEntry,
  logEntryOffset,
  type LogHeader,
  ProtocolError,
  type Reference,
} from '@cotrain/protocol';

/** Entries kept in memory before they are written; sync() writes and makes them durable. */
const bufferedEntries = 64;

/** The training log on disk. Only what sync() returned for counts; the rest is cut off when training continues. */
export class LogFile {
  #buffer: Uint8Array[] = [];
  #bytes = 0;
  #writing = Promise.resolve();
  readonly #hash = createHash('sha256');
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** The header of a log that an earlier run began; null if there is none, or none that can be read. */
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
      return bytesRead === LOG_HEADER_BYTES ? decodeLogHeader(bytes) : null;
    } catch (error) {
      if (error instanceof ProtocolError) return null;
      throw error;
    } finally {
      await file.close();
    }
  }

  /** Begins a log, replacing what was there. */
  static async create(path: string, header: LogHeader): Promise<LogFile> {
    return LogFile.copy(path, [encodeLogHeader(header)]);
  }

  /** Begins a log with bytes that were published before. */
  static async copy(path: string, pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<LogFile> {
    const log = new LogFile(await open(path, 'w+'));
    try {
      for await (const piece of pieces) {
        log.#append(piece);
        await log.#flush();
      }
      await log.sync();
    } catch (error) {
      await log.close();
      throw error;
    }
    return log;
  }

  /** Continues a log after its first `bytes` bytes; null if it is shorter or these bytes have another SHA-256. */
  static async resume(path: string, bytes: number, digest: Uint8Array): Promise<LogFile | null> {
    const file = await open(path, 'r+');
    const log = new LogFile(file);
    if ((await file.stat()).size >= bytes) {
      log.#bytes = bytes;
      for await (const piece of log.read()) log.#hash.update(piece);
      if (log.digest().equals(digest)) {
        await file.truncate(bytes);
        return log;
      }
    }
    await file.close();
    return null;
  }

  /** SHA-256 of everything appended so far. */
  digest(): Buffer {
    return this.#hash.copy().digest();
  }

  /** The state root of a step whose entry has been appended. */
  async stateRoot(step: number): Promise<Reference | null> {
    await this.#flush();
    const bytes = new Uint8Array(LOG_ENTRY_BYTES);
    await this.#file.read(bytes, 0, bytes.length, logEntryOffset(step));
    return decodeLogEntry(bytes).stateRoot;
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

  /** The log's bytes up to `end`, in pieces. */
  async *read(end = this.#bytes): AsyncGenerator<Uint8Array> {
    await this.#flush();
    for (let position = 0; position < end;) {
      const piece = new Uint8Array(Math.min(LOG_ENTRY_BYTES * 8_192, end - position));
      const { bytesRead } = await this.#file.read(piece, 0, piece.length, position);
      if (bytesRead === 0) throw new Error(`the log file is shorter than ${String(end)} bytes`);
      yield piece.subarray(0, bytesRead);
      position += bytesRead;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #append(bytes: Uint8Array): void {
    this.#buffer.push(bytes);
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
  }

  /** Writes in turn: who waits for a flush waits for those before it, too. */
  #flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
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
