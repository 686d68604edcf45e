import { setImmediate as nextTurn } from 'node:timers/promises';
import { type JobHeader, rowIndices } from '@cotrain/protocol';
import { type Patience, type StoredFile, withPatience } from './store.ts';

const chunkBytes = 4_096;
/** A group of 128 chunks: what one request to a store returns. */
const groupBytes = 128 * chunkBytes;

export interface RowReaderOptions {
  /** Bytes of the view kept in memory; 64 MiB unless given. */
  cacheBytes?: number;
  patience?: Patience;
}

/**
 * Reads rows of a view in any order. Keeps the blocks used last within a fixed budget, so that memory does not grow
 * with the view. A view that fits is read in large blocks, a larger one by the chunk, because its rows lie far apart.
 */
export class RowReader {
  readonly #file: StoredFile;
  readonly #rowBytes: number;
  readonly #blockBytes: number;
  readonly #maxBlocks: number;
  readonly #patience: Patience;
  /** In order of use: the first is the oldest. */
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #underWay = new Map<number, Promise<Uint8Array>>();

  constructor(file: StoredFile, rowBytes: number, { cacheBytes = 64 * 2 ** 20, patience = {} }: RowReaderOptions = {}) {
    this.#file = file;
    this.#rowBytes = rowBytes;
    this.#blockBytes = file.length <= cacheBytes ? groupBytes : chunkBytes;
    this.#maxBlocks = Math.max(2, Math.floor(cacheBytes / this.#blockBytes));
    this.#patience = patience;
  }

  /** Bytes of the view in memory now. */
  get cachedBytes(): number {
    return [...this.#blocks.values()].reduce((sum, block) => sum + block.length, 0);
  }

  /** The rows, one after the other. */
  async read(rows: readonly number[]): Promise<Uint8Array> {
    const result = new Uint8Array(rows.length * this.#rowBytes);
    const waiting: Promise<void>[] = [];
    rows.forEach((row, index) => {
      const start = row * this.#rowBytes;
      for (let at = start; at < start + this.#rowBytes;) {
        const block = Math.floor(at / this.#blockBytes);
        const blockStart = block * this.#blockBytes;
        const end = Math.min(start + this.#rowBytes, blockStart + this.#blockBytes);
        const target = result.subarray(index * this.#rowBytes + at - start, index * this.#rowBytes + end - start);
        const from = at - blockStart;
        const cached = this.#blocks.get(block);
        if (cached !== undefined) {
          this.#remember(block, cached);
          target.set(cached.subarray(from, from + target.length));
        } else
          waiting.push(
            this.#fetch(block).then((bytes) => {
              target.set(bytes.subarray(from, from + target.length));
            }),
          );
        at = end;
      }
    });
    await Promise.all(waiting);
    return result;
  }

  #fetch(block: number): Promise<Uint8Array> {
    const known = this.#underWay.get(block);
    if (known !== undefined) return known;
    const start = block * this.#blockBytes;
    const length = Math.min(this.#blockBytes, this.#file.length - start);
    const fetching = withPatience(() => this.#file.read(start, length), this.#patience)
      .then((bytes) => {
        this.#remember(block, bytes);
        return bytes;
      })
      .finally(() => this.#underWay.delete(block));
    this.#underWay.set(block, fetching);
    return fetching;
  }

  #remember(block: number, bytes: Uint8Array): void {
    this.#blocks.delete(block);
    this.#blocks.set(block, bytes);
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= this.#maxBlocks) break;
      this.#blocks.delete(oldest);
    }
  }
}

/** Batches fetched ahead, and the bytes that they may take. */
const maxAhead = 4;
const maxBytesAhead = 64 * 2 ** 20;

/** Batches of consecutive steps; the next ones are fetched while one is trained. */
export class BatchStream {
  readonly #header: JobHeader;
  readonly #reader: RowReader;
  readonly #endStep: number;
  readonly #ahead: number;
  readonly #batches = new Map<number, Promise<Uint8Array>>();

  /** @param endStep no batch from this step on is asked for; the job's end unless given */
  constructor(header: JobHeader, reader: RowReader, endStep = header.steps) {
    this.#header = header;
    this.#reader = reader;
    this.#endStep = endStep;
    this.#ahead = Math.min(maxAhead, Math.floor(maxBytesAhead / (header.batchSize * header.rowBytes)));
  }

  /** Rows of a step's batch; lets timers, sockets and signals have their turn. */
  async batch(step: number): Promise<Uint8Array> {
    const end = Math.min(step + this.#ahead + 1, this.#endStep);
    for (let next = step; next < end; next++) if (!this.#batches.has(next)) this.#start(next);
    await nextTurn();
    const rows = await this.#batches.get(step);
    for (const known of this.#batches.keys()) if (known <= step) this.#batches.delete(known);
    if (rows === undefined) throw new Error(`step ${String(step)} is beyond the last`);
    return rows;
  }

  #start(step: number): void {
    const { seed, batchSize, rows } = this.#header;
    const reading = this.#reader.read(rowIndices(seed, step, batchSize, rows));
    // A failure is reported when the step's turn comes.
    reading.catch(() => undefined);
    this.#batches.set(step, reading);
  }
}
