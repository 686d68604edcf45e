import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { isAlive } from './liveness.ts';
import { endWithThisProcess } from './watchdog.ts';

const started: ChildProcess[] = [];
let orphan = 0;
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  if (orphan > 0 && isAlive(orphan)) process.kill(orphan, 'SIGKILL');
});

/** A process that starts a child with this command and watches it; the child's process id. */
async function starter(command: string[], graceSeconds: number): Promise<{ parent: ChildProcess; child: number }> {
  const script = `
    const { spawn } = await import('node:child_process');
    const { endWithThisProcess } = await import(${JSON.stringify(join(import.meta.dirname, 'watchdog.ts'))});
    const child = spawn(${JSON.stringify(command[0])}, ${JSON.stringify(command.slice(1))}, { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    endWithThisProcess(child, ${String(graceSeconds)});
    child.stdout.once('data', () => console.log(child.pid));
  `;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  started.push(parent);
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
  orphan = Number(line);
  return { parent, child: orphan };
}

async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await delay(20);
}

test('a child is asked to end when its parent is killed, with all of its process group', async () => {
  const { parent, child } = await starter(['sh', '-c', 'echo up; exec sleep 600'], 600);
  expect(isAlive(child)).toBe(true);
  process.kill(-(parent.pid ?? 0), 'SIGKILL');
  await gone(child);
});

test('a child that does not end by itself is killed', async () => {
  const { parent, child } = await starter(['sh', '-c', "trap '' TERM; echo up; while :; do sleep 1; done"], 1);
  parent.kill('SIGKILL');
  await gone(child);
});

test('a child that was let go stays', async () => {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  started.push(child);
  const letGo = endWithThisProcess(child, 1);
  letGo();
  letGo();
  await delay(100);
  expect(isAlive(child.pid ?? 0)).toBe(true);
});
