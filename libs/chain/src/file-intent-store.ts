import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ChainError } from './errors.ts';
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
  private queue: Promise<unknown> = Promise.resolve();

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
    return this.inTurn(async () => {
      const found = await this.memory.get(record.intentId);
      if (found !== null) return found;
      await this.append(record);
      return this.memory.insertIfAbsent(record);
    });
  }

  get(intentId: string): Promise<IntentRecord | null> {
    return this.memory.get(intentId);
  }

  list(sender: `0x${string}`, statuses: readonly IntentStatus[]): Promise<IntentRecord[]> {
    return this.memory.list(sender, statuses);
  }

  update(intentId: string, changes: Partial<Omit<IntentRecord, 'intentId' | 'sender'>>): Promise<IntentRecord> {
    return this.inTurn(async () => {
      const found = await this.memory.get(intentId);
      if (found !== null) await this.append({ ...found, ...changes });
      return this.memory.update(intentId, changes);
    });
  }

  async close(): Promise<void> {
    await this.queue;
    await this.handle.close();
  }

  private async append(record: IntentRecord): Promise<void> {
    await this.handle.appendFile(serialize(record));
    await this.handle.datasync();
  }

  /** One change at a time, so that lines never interleave and the memory never runs ahead of the disk. */
  private inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.queue.then(change, change);
    this.queue = result.catch(() => undefined); // its caller gets the error; the next change must run all the same
    return result;
  }
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
