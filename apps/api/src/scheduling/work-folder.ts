import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from '@cotrain/processes';

/** A trainer of an earlier run is still on the folder and does not end. */
export class WorkFolderBusyError extends Error {
  override readonly name = 'WorkFolderBusyError';
  readonly retryable = true;

  constructor(
    readonly folder: string,
    readonly pid: number,
  ) {
    super(`Process ${String(pid)} still works on ${folder}. It was asked to end and killed; is the machine stuck?`);
  }
}

/** Where the trainer of a work folder notes its process id. */
export function pidFileOf(folder: string): string {
  return join(folder, 'trainer.pid');
}

/**
 * Makes a work folder this process's own: a trainer that an earlier run left behind is ended, first by asking, so that
 * it can write a checkpoint. Two trainers on one folder would mix their logs. What is in it is of another job if a
 * reorganisation gave the offer's number to another offer: then the folder is emptied.
 * @param job what tells the job from others
 * @throws WorkFolderBusyError
 */
export async function takeWorkFolder(folder: string, job: string, graceMs: number): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const pid = await notedPid(folder);
  if (pid !== null && (await worksOn(pid, folder))) {
    process.kill(pid, 'SIGTERM');
    if (!(await isGone(pid, folder, graceMs))) process.kill(pid, 'SIGKILL');
    if (!(await isGone(pid, folder, 5_000))) throw new WorkFolderBusyError(folder, pid);
    await rm(pidFileOf(folder), { force: true });
  }
  const jobFile = join(folder, 'job.json');
  const before = await readIfPresent(jobFile);
  if (before === job) return;
  if (before !== null) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  await writeFile(jobFile, job);
}

async function readIfPresent(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function notedPid(folder: string): Promise<number | null> {
  const text = await readIfPresent(pidFileOf(folder));
  const pid = Number(text ?? NaN);
  return Number.isSafeInteger(pid) && pid > 1 ? pid : null;
}

async function isGone(pid: number, folder: string, waitMs: number): Promise<boolean> {
  const deadline = performance.now() + waitMs;
  while (await worksOn(pid, folder)) {
    if (performance.now() > deadline) return false;
    await delay(50);
  }
  return true;
}

/** Process ids are used again: only one whose command line names the folder is its trainer. */
async function worksOn(pid: number, folder: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  return (await commandLine(pid)).includes(folder);
}

/** Empty for a process that has ended and was not waited for. */
async function commandLine(pid: number): Promise<string> {
  try {
    return await readFile(`/proc/${String(pid)}/cmdline`, 'utf8');
  } catch {
    // No /proc here, or the process has just ended: then ps says so.
    return new Promise((resolve) => {
      execFile('ps', ['-ww', '-o', 'command=', '-p', String(pid)], (error, output) => {
        resolve(error === null ? output : '');
      });
    });
  }
}
