import { existsSync, readFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, exitCodes } from '../client/errors.ts';

/** What other commands find a running stack by. */
export interface StackFile {
  pid: number;
  /** When the process started, so that another one with its number is not taken for it. */
  identity: string | null;
  graphqlUrl: string;
  rpcUrl: string;
  swarmUrl: string;
  signerPid: number;
}

interface ProcessRecord {
  pid: number;
  identity: string | null;
}

/** Processes that use a folder, written as soon as they run, so that what a kill leaves behind can be found. */
interface FolderProcesses {
  owner: ProcessRecord;
  children: ProcessRecord[];
}

export const stackFileOf = (folder: string): string => join(folder, 'stack.json');
const processFileOf = (folder: string): string => join(folder, 'processes.json');

/** The running stack of a folder, or null. */
export async function findStack(folder: string): Promise<StackFile | null> {
  const file = stackFileOf(folder);
  if (!existsSync(file)) return null;
  const stack = JSON.parse(await readFile(file, 'utf8')) as StackFile;
  return isSameProcess(stack) ? stack : null;
}

export async function writeStackFile(folder: string, stack: StackFile): Promise<void> {
  await replaceFile(stackFileOf(folder), stack);
}

/** Notes that this process uses the folder, with these children. */
export async function recordProcesses(folder: string, children: readonly number[]): Promise<void> {
  await replaceFile(processFileOf(folder), {
    owner: recordOf(process.pid),
    children: children.map(recordOf),
  } satisfies FolderProcesses);
}

/** The folder is not used any more. */
export async function forgetProcesses(folder: string): Promise<void> {
  await rm(processFileOf(folder), { force: true });
}

/**
 * Takes the folder over: stops what a killed process has left running on it. A chain and a signer that nobody uses
 * any more would write to the same files as the new ones. Each gets the time to save what it has.
 * @returns how many were stopped
 * @throws CommandError when the folder's owner is alive
 */
export async function takeOver(folder: string): Promise<number> {
  const file = processFileOf(folder);
  if (!existsSync(file)) return 0;
  const { owner, children } = JSON.parse(await readFile(file, 'utf8')) as FolderProcesses;
  if (owner.pid !== process.pid && isSameProcess(owner))
    throw new CommandError(
      exitCodes.failure,
      `Process ${String(owner.pid)} uses ${folder} already. Stop it first, or give another folder.`,
    );
  const left = children.filter(isSameProcess);
  for (const { pid } of left) process.kill(pid, 'SIGTERM');
  const deadline = performance.now() + 10_000;
  for (const each of left) {
    while (isSameProcess(each) && performance.now() < deadline) await delay(50);
    if (isSameProcess(each)) process.kill(each.pid, 'SIGKILL');
  }
  return left.length;
}

function recordOf(pid: number): ProcessRecord {
  return { pid, identity: processIdentity(pid) };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    // It is there, but somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !isZombie(pid);
}

/** When a process started, in the kernel's words; null where the system does not say. */
export function processIdentity(pid: number): string | null {
  return statFields(pid)?.[19] ?? null;
}

function isZombie(pid: number): boolean {
  return statFields(pid)?.[0] === 'Z';
}

function isSameProcess({ pid, identity }: ProcessRecord): boolean {
  return isAlive(pid) && (identity === null || processIdentity(pid) === identity);
}

/** The fields of /proc/PID/stat after the name, which may hold anything; null where there is no /proc. */
function statFields(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null; // no Linux, or the process is gone: isAlive knows
  }
}

async function replaceFile(file: string, value: unknown): Promise<void> {
  await writeFile(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
