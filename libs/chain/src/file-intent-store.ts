import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ChainError, NonceTakenError, UnknownIntentError } from './errors.ts';
import { lockFile, type FileLock } from './file-lock.ts';
import type { IntentChanges, IntentRecord, IntentStatus, IntentStore } from './intent.ts';
import { decodeIntent, encodeIntent } from './intent-codec.ts';
import { MemoryIntentStore } from './memory-intent-store.ts';

/** The journal has a broken line that is not its last one: somebody else wrote to it, or the disk is failing. */
export class CorruptJournalError extends ChainError {
  readonly retryable = false;

  constructor(
    readonly file: string,
    readonly line: number,
    options?: ErrorOptions,
  ) {
    super(
      `${file}: line ${String(line)} is broken. Restore the file from a backup; intents are reconciled with the chain.`,
      options,
    );
  }
}

/** The journal could neither be written nor brought back to its last whole line. */
export class BrokenJournalError extends ChainError {
  readonly retryable = false;

  constructor(file: string, cause: unknown) {
    super(`${file} cannot be written any more: ${String(cause)}. Repair the disk and start again.`, { cause });
  }
}

export interface FileIntentStoreOptions {
  /** The journal is rewritten when it has grown by this since the last time, and to twice its size then. */
  compactAfterBytes?: number;
}

/**
 * Intents in an append-only file: one JSON line for each change, synced before the change counts. A line that a crash
 * tore at the end was never acknowledged and is dropped. Opening, and growth, rewrite the file with one line for each
 * intent; the new file replaces the old one whole. One process at a time: a lock file says which.
 */
export class FileIntentStore implements IntentStore {
  private readonly memory = new MemoryIntentStore();
  /** Every intent in the order of insertion. */
  private readonly ids = new Set<string>();
  private waiting: Change[] = [];
  private writing: Promise<void> = Promise.resolve();
  private handle: FileHandle | null = null;
  private bytes = 0;
  private compactAt = 0;
  private broken: BrokenJournalError | null = null;

  private constructor(
    private readonly file: string,
    private readonly lock: FileLock,
    private readonly compactAfterBytes: number,
  ) {}

  /** @throws CorruptJournalError; FileLockedError when another process has it open */
  static async open(file: string, options: FileIntentStoreOptions = {}): Promise<FileIntentStore> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const lock = await lockFile(`${file}.lock`);
    try {
      const store = new FileIntentStore(file, lock, options.compactAfterBytes ?? 4 * 2 ** 20);
      for (const record of await readJournal(file)) {
        await store.memory.insertIfAbsent(record);
        store.ids.add(record.intentId);
      }
      await store.compact();
      return store;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  insertIfAbsent(record: IntentRecord): Promise<IntentRecord> {
    return this.write(record.intentId, (found) => found ?? record);
  }

  get(intentId: string): Promise<IntentRecord | null> {
    return this.memory.get(intentId);
  }

  list(sender: `0x${string}`, statuses: readonly IntentStatus[]): Promise<IntentRecord[]> {
    return this.memory.list(sender, statuses);
  }

  noncesFrom(sender: `0x${string}`, first: number): Promise<number[]> {
    return this.memory.noncesFrom(sender, first);
  }

  update(intentId: string, changes: IntentChanges): Promise<IntentRecord> {
    return this.write(intentId, (found) => {
      if (found === null) throw new UnknownIntentError(intentId);
      return { ...found, ...changes };
    });
  }

  async close(): Promise<void> {
    await this.writing;
    await this.handle?.close();
    this.handle = null;
    await this.lock.release();
  }

  /** Changes that come while the disk is busy share its next write, which syncs them together. */
  private write(intentId: string, change: Change['change']): Promise<IntentRecord> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ intentId, change, resolve, reject });
      if (this.waiting.length === 1) this.writing = this.writing.then(() => this.writeWaiting());
    });
  }

  /** One write at a time, so that lines never interleave; the memory follows the disk and never runs ahead of it. */
  private async writeWaiting(): Promise<void> {
    const changes = this.waiting;
    this.waiting = [];
    // In the order of insertion; a change sees the changes before it.
    const written = new Map<string, IntentRecord>();
    const results: { record: IntentRecord; resolve: Change['resolve']; reject: Change['reject'] }[] = [];
    let lines = '';
    for (const { intentId, change, resolve, reject } of changes) {
      try {
        const found = written.get(intentId) ?? (await this.memory.get(intentId));
        const record = change(found);
        if (record !== found) {
          this.refuseTwins(record, written);
          lines += `${encodeIntent(record)}\n`;
          written.set(intentId, record);
        }
        results.push({ record, resolve, reject });
      } catch (error) {
        reject(error as Error);
      }
    }
    try {
      if (lines !== '') await this.append(lines);
      for (const [intentId, record] of written) {
        if (this.ids.has(intentId)) await this.memory.update(intentId, record);
        else await this.memory.insertIfAbsent(record);
        this.ids.add(intentId);
      }
    } catch (error) {
      for (const { reject } of results) reject(error as Error);
      return;
    }
    for (const { record, resolve } of results) resolve(structuredClone(record));
  }

  /** @throws NonceTakenError when a stored intent, or one of the same write, has the nonce */
  private refuseTwins(record: IntentRecord, written: ReadonlyMap<string, IntentRecord>): void {
    const refusal = this.memory.refusal(record);
    if (refusal !== null) throw refusal;
    const { intentId, sender, nonce } = record;
    for (const other of nonce === null ? [] : written.values())
      if (other.intentId !== intentId && other.sender === sender && other.nonce === nonce)
        throw new NonceTakenError(sender, nonce ?? 0);
  }

  private async append(lines: string): Promise<void> {
    if (this.broken !== null) throw this.broken;
    if (this.bytes > this.compactAt) await this.compact();
    if (this.handle === null) throw new BrokenJournalError(this.file, new Error('it is closed'));
    const content = Buffer.from(lines);
    try {
      await this.handle.appendFile(content);
      await this.handle.datasync();
      this.bytes += content.length;
    } catch (error) {
      // Half a line may be there, and the next line must not be glued to it.
      await this.handle.truncate(this.bytes).catch((cause: unknown) => {
        this.broken = new BrokenJournalError(this.file, cause);
      });
      throw error;
    }
  }

  /** Writes one line for each intent to a new file and puts it in the old one's place. */
  private async compact(): Promise<void> {
    const lines: string[] = [];
    for (const intentId of this.ids) {
      const record = await this.memory.get(intentId);
      if (record !== null) lines.push(`${encodeIntent(record)}\n`);
    }
    const content = Buffer.from(lines.join(''));
    const fresh = await open(`${this.file}.new`, 'w', 0o600);
    try {
      await fresh.writeFile(content);
      await fresh.sync();
    } finally {
      await fresh.close();
    }
    await rename(`${this.file}.new`, this.file);
    await syncFolder(dirname(this.file));
    const handle = await open(this.file, 'a', 0o600);
    await this.handle?.close();
    this.handle = handle;
    this.bytes = content.length;
    this.compactAt = 2 * content.length + this.compactAfterBytes;
  }
}

/** A change that waits for its turn: from the record that is there to the one that is to be written. */
interface Change {
  intentId: string;
  change: (found: IntentRecord | null) => IntentRecord;
  resolve: (record: IntentRecord) => void;
  reject: (error: Error) => void;
}

async function readJournal(file: string): Promise<IntentRecord[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const records = new Map<string, IntentRecord>();
  const lines = text.split('\n');
  lines.pop(); // what follows the last line end: nothing, or a line that a crash cut off
  lines.forEach((line, index) => {
    try {
      const record = decodeIntent(line);
      records.set(record.intentId, record);
    } catch (cause) {
      throw new CorruptJournalError(file, index + 1, { cause });
    }
  });
  return [...records.values()];
}

/** A rename is durable when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // folders cannot be opened there
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
