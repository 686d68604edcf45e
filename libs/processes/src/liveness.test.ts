import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { isAlive, isSameProcess, recordProcess } from './liveness.ts';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function sleeper(): Promise<ChildProcess> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return child;
}

test('a process lives from its start until it is killed', async () => {
  const child = await sleeper();
  const pid = child.pid ?? 0;
  expect(isAlive(process.pid)).toBe(true);
  expect(isAlive(pid)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isAlive(pid)).toBe(false);
});

test('a process that has ended and was not waited for does not live', async () => {
  // The shell becomes `sleep 600`, which never waits for the child that it has inherited.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(parent);
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const zombie = Number(line.toString());
  while (isAlive(zombie)) await new Promise((resolve) => setTimeout(resolve, 20));
  if (process.platform === 'linux') expect(() => process.kill(zombie, 0)).not.toThrow();
  expect(isSameProcess({ pid: zombie, identity: null })).toBe(false);
});

test('a process of another user lives', () => {
  expect(isAlive(1)).toBe(true);
});

test('a later process with the same number is another one', async () => {
  const record = recordProcess((await sleeper()).pid ?? 0);
  expect(isSameProcess(record)).toBe(true);
  expect(isSameProcess({ ...record, identity: null })).toBe(true);
  expect(isSameProcess({ ...record, identity: 'another start' })).toBe(false);
});
