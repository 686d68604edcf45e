import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from '@cotrain/processes';
import { ChainError } from './errors.ts';

/** Another process holds the file. */
export class FileLockedError extends ChainError {
  readonly retryable = true;

  constructor(
    readonly file: string,
    readonly pid: number,
  ) {
    super(
      `${file} is held by process ${String(pid)}. Two processes must not write one journal: stop the other one, or delete the file if that process is something else.`,
    );
  }
}

export interface FileLock {
  release(): Promise<void>;
}

/** A holder that was just killed takes a moment to be gone. */
const patienceMs = 2_000;
const lookMs = 50;

/** Locks of this very process: its own pid in a file is otherwise that of an earlier process of the same number. */
const heldHere = new Set<string>();

/**
 * Holds a lock file that names this process. A file left by a process that is gone is taken over, so that a killed
 * process needs no cleaning up after it. It fences processes of one machine; several machines need a lease row.
 * @throws FileLockedError
 */
export async function lockFile(file: string): Promise<FileLock> {
  if (heldHere.has(file)) throw new FileLockedError(file, process.pid);
  heldHere.add(file);
  try {
    const deadline = performance.now() + patienceMs;
    while (!(await create(file))) {
      const pid = Number(await readFile(file, 'utf8').catch(() => ''));
      if (performance.now() > deadline) throw new FileLockedError(file, pid);
      if (pid > 0 && pid !== process.pid && isAlive(pid)) await delay(lookMs);
      else await rm(file, { force: true });
    }
  } catch (error) {
    heldHere.delete(file);
    throw error;
  }
  return {
    release: async () => {
      if (heldHere.delete(file)) await rm(file, { force: true });
    },
  };
}

/** The file appears with its contents, so that nobody ever reads it empty. */
async function create(file: string): Promise<boolean> {
  const prepared = `${file}.${String(process.pid)}`;
  await writeFile(prepared, String(process.pid), { mode: 0o600 });
  try {
    await link(prepared, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(prepared, { force: true });
  }
}
