import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ChainError, UnknownIntentError } from './errors.ts';
import type { IntentRecord, IntentStatus, IntentStore } from './intent.ts';
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

/**
 * Intents in an append-only file: one JSON line for each change, synced before the change counts. A line that a crash
 * tore at the end was never acknowledged and is dropped. Opening rewrites the file with one line for each intent.
 */
export class FileIntentStore implements IntentStore {
  private readonly memory = new MemoryIntentStore();
  private waiting: Change[] = [];
  private writing: Promise<void> = Promise.resolve();

  private constructor(private readonly handle: FileHandle) {}

  /** @throws CorruptJournalError */
  static async open(file: string): Promise<FileIntentStore> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const records = await readJournal(file);
    const compact = await open(`${file}.new`, 'w', 0o600);
    await compact.writeFile(records.map((record) => serialize(record)).join(''));
    await compact.sync();
    await compact.close();
    await rename(`${file}.new`, file);
    const store = new FileIntentStore(await open(file, 'a', 0o600));
    for (const record of records) await store.memory.insertIfAbsent(record);
    return store;
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

  update(intentId: string, changes: Partial<Omit<IntentRecord, 'intentId' | 'sender'>>): Promise<IntentRecord> {
    return this.write(intentId, (found) => {
      if (found === null) throw new UnknownIntentError(intentId);
      return { ...found, ...changes };
    });
  }

  async close(): Promise<void> {
    await this.writing;
    await this.handle.close();
  }

  /** Changes that wait while the disk is busy share its next write. */
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
    const written = new Map<string, IntentRecord>();
    const done: (() => void)[] = [];
    let lines = '';
    for (const { intentId, change, resolve, reject } of changes) {
      const found = written.get(intentId) ?? (await this.memory.get(intentId));
      try {
        const record = change(found);
        if (record !== found) lines += serialize(record);
        written.set(intentId, record);
        done.push(() => {
          resolve(structuredClone(record));
        });
      } catch (error) {
        reject(error as Error);
      }
    }
    try {
      if (lines !== '') {
        await this.handle.appendFile(lines);
        await this.handle.datasync();
      }
    } catch (error) {
      for (const { reject } of changes) reject(error as Error);
      return;
    }
    for (const record of written.values()) await this.memory.put(record);
    for (const tell of done) tell();
  }
}

/** A change that waits for its turn: from the record that is there to the one that is to be written. */
interface Change {
  intentId: string;
  change: (found: IntentRecord | null) => IntentRecord;
  resolve: (record: IntentRecord) => void;
  reject: (error: Error) => void;
}

function serialize(record: IntentRecord): string {
  return `${JSON.stringify(record, (_, value: unknown) => (typeof value === 'bigint' ? `${String(value)}n` : value))}\n`;
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
  lines.forEach((line, index) => {
    if (line === '') return;
    try {
      const record = JSON.parse(line, (_, value: unknown) =>
        typeof value === 'string' && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
      ) as IntentRecord;
      records.set(record.intentId, record);
    } catch (cause) {
      if (index !== lines.length - 1) throw new CorruptJournalError(file, index + 1, { cause });
    }
  });
  return [...records.values()];
}
