import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isSameProcess, type ProcessRecord, recordProcess } from '@cotrain/processes';
import { CommandError, exitCodes } from '../client/errors.ts';

/** What other commands find a running stack by. */
export interface StackFile extends ProcessRecord {
  graphqlUrl: string;
  rpcUrl: string;
  swarmUrl: string;
  apiPid: number;
  signerPid: number;
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
    owner: recordProcess(process.pid),
    children: children.map(recordProcess),
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

async function replaceFile(file: string, value: unknown): Promise<void> {
  await writeFile(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
