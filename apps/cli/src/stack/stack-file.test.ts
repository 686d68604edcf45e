import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { isAlive, recordProcess } from '@cotrain/processes';
import { findStack, forgetProcesses, recordProcesses, takeOver, writeStackFile } from './stack-file.ts';

const folders: string[] = [];
const children: ChildProcess[] = [];
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-stack-file-'));
  folders.push(folder);
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  for (const each of folders) rmSync(each, { recursive: true });
});

async function sleeper(): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log("up")'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
}

describe('a stack that was killed', () => {
  it('has what it left running stopped by the next one', async () => {
    const child = await sleeper();
    await recordProcesses(folder, [child.pid ?? 0]);
    expect(await takeOver(folder)).toBe(1);
    await ended(child);
    expect(child.signalCode).toBe('SIGTERM');
    expect(await takeOver(folder)).toBe(0);
  });

  it('leaves alone a process that only has the same number', async () => {
    const child = await sleeper();
    await recordProcesses(folder, [child.pid ?? 0]);
    const file = join(folder, 'processes.json');
    const processes = JSON.parse(readFileSync(file, 'utf8')) as { children: { identity: string }[] };
    if (processes.children[0]) processes.children[0].identity = 'another start';
    writeFileSync(file, JSON.stringify(processes));
    expect(await takeOver(folder)).toBe(0);
    expect(isAlive(child.pid ?? 0)).toBe(true);
  });
});

describe('a folder', () => {
  it('is not taken from a process that lives', async () => {
    const child = await sleeper();
    await recordProcesses(folder, []);
    const file = join(folder, 'processes.json');
    const owner = recordProcess(child.pid ?? 0);
    writeFileSync(file, JSON.stringify({ owner, children: [] }));
    await expect(takeOver(folder)).rejects.toThrow(`Process ${String(child.pid)} uses ${folder} already`);
    child.kill('SIGKILL');
    await ended(child);
    expect(await takeOver(folder)).toBe(0);
  });

  it('is free after an orderly end', async () => {
    await recordProcesses(folder, []);
    await forgetProcesses(folder);
    expect(existsSync(join(folder, 'processes.json'))).toBe(false);
    expect(await takeOver(folder)).toBe(0);
  });
});

describe('the stack of a folder', () => {
  const urls = { graphqlUrl: 'http://a/graphql', rpcUrl: 'http://b', swarmUrl: 'http://c', apiPid: 1, signerPid: 2 };

  it('is found while its process lives', async () => {
    expect(await findStack(folder)).toBeNull();
    const child = await sleeper();
    const stack = { ...recordProcess(child.pid ?? 0), ...urls };
    await writeStackFile(folder, stack);
    expect(await findStack(folder)).toEqual(stack);
    await writeStackFile(folder, { ...stack, identity: 'another start' });
    expect(await findStack(folder)).toBeNull();
    await writeStackFile(folder, stack);
    child.kill('SIGKILL');
    await ended(child);
    expect(await findStack(folder)).toBeNull();
  });
});
