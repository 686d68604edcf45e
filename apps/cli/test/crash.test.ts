import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { isAlive } from '@cotrain/processes';
import { collect, LocalStack, scratchFolder, start, writePoints } from './run-cli.ts';

// Stopping, killing and starting the local stack in the middle of a job.

const scratch = scratchFolder();
const dir = join(scratch.path, 'stack');
let stack: LocalStack;
let id = 0;

interface Job {
  state: string;
  step: number;
  attempts: number;
}

beforeAll(async () => {
  stack = await LocalStack.up(dir);
  const { csv, program } = writePoints(scratch.path);
  const { manifestReference } = await stack.json<{ manifestReference: string }>(
    ...['dataset', 'push', '--name', 'points', '--license', 'MIT', '--target', 'above', '--split', `train=${csv}`],
  );
  await stack.json(
    ...[
      'pool',
      'register',
      '--name',
      'honest',
      '--floor-price',
      '1',
      '--stake',
      '2',
      '--key-file',
      stack.key('pool-1'),
    ],
  );
  // Long enough to be interrupted three times; the validators execute eight segments of it.
  const { offerId } = await stack.json<{ offerId: number }>(
    ...['offer', 'create', '--name', 'long', '--program', program, '--dataset', manifestReference, '--reward', '1'],
    ...[
      '--steps',
      '40000',
      '--commit-every',
      '100',
      '--batch-size',
      '16',
      '--bid-window',
      '4',
      '--challenge-window',
      '2',
    ],
    ...['--gpu-seconds', '60', '--key-file', stack.key('payer-1')],
  );
  id = offerId;
  await stack.json('offer', 'fund', String(id), '--key-file', stack.key('payer-1'));
}, 180_000);
afterAll(async () => {
  if (stack.child.exitCode === null && stack.child.signalCode === null) await stack.stop();
  scratch.remove();
}, 60_000);

/** The job once it is running and has got further than `step`. */
async function trainedBeyond(step: number): Promise<Job> {
  const watcher = start(['job', 'watch', String(id), '--json'], { COTRAIN_DIR: dir });
  try {
    for await (const line of watcher.stdout ?? []) {
      for (const text of String(line).split('\n').filter(Boolean)) {
        const { job } = JSON.parse(text) as { job: Job | null };
        if (job !== null && job.state === 'Running' && job.step > step) return job;
      }
    }
  } finally {
    watcher.kill('SIGKILL');
  }
  throw new Error(`The job never got beyond step ${String(step)}.`);
}

/** Everything that the stack has started. */
function children(): number[] {
  const file = join(dir, 'processes.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { children: { pid: number }[] }).children.map(({ pid }) => pid);
}

/** Processes that work on a folder: their arguments or their environment name it. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid) || !isAlive(Number(pid))) return false;
    return ['cmdline', 'environ'].some((file) => readIfThere(`/proc/${pid}/${file}`).includes(folder));
  });
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // it ended meanwhile, or is somebody else's
  }
}

it('stops in order on SIGTERM and goes on from there', async () => {
  const { step } = await trainedBeyond(100);
  const pids = children();
  expect(await stack.stop('SIGTERM')).toBe(0);
  expect(pids.filter(isAlive)).toEqual([]);
  expect(existsSync(join(dir, 'stack.json'))).toBe(false);
  stack = await LocalStack.up(dir);
  const after = await trainedBeyond(step);
  expect(after.step).toBeGreaterThan(step);
}, 240_000);

it('starts its API again when that was killed, and the job goes on', async () => {
  const { step } = await trainedBeyond(0);
  const killed = children();
  const [, api = 0] = stack.services();
  expect(killed).toContain(api);
  process.kill(api, 'SIGKILL');
  while (stack.services()[1] === api) await delay(100);
  const after = await trainedBeyond(step);
  expect(after.step).toBeGreaterThan(step);
  expect(isAlive(stack.ready.pid)).toBe(true);
  expect(children().filter(isAlive)).toHaveLength(killed.length);
}, 240_000);

it('cleans up after its main process was killed', async () => {
  const { step } = await trainedBeyond(0);
  const left = children();
  const closed = once(stack.child, 'exit');
  process.kill(stack.ready.pid, 'SIGKILL');
  await closed;
  stack = await LocalStack.up(dir);
  expect(left.filter(isAlive)).toEqual([]);
  await trainedBeyond(step);
}, 240_000);

it('leaves nothing running when its main process is killed', async () => {
  const left = children();
  const closed = once(stack.child, 'exit');
  process.kill(stack.ready.pid, 'SIGKILL');
  await closed;
  while (left.some(isAlive)) await delay(100);
  expect(processesOf(dir)).toEqual([]);
  stack = await LocalStack.up(dir);
}, 240_000);

it('survives that every process is killed at once: the job is finished and the offer paid', async () => {
  await trainedBeyond(0);
  await stack.killAll();
  stack = await LocalStack.up(dir);
  const { code, stdout } = await stack.run('job', 'watch', String(id));
  expect(stdout).toContain('Paid');
  expect(code).toBe(0);
}, 400_000);

it('stops by `cotrain down`, and by Ctrl-C', async () => {
  const down = await stack.json<{ stopped: boolean; pid: number }>('down');
  expect(down).toEqual({ stopped: true, pid: stack.ready.pid });
  expect(await stack.json('down')).toEqual({ stopped: false, pid: null });

  stack = await LocalStack.up(dir);
  const pids = children();
  expect(await stack.stop('SIGINT')).toBe(0);
  expect(pids.filter(isAlive)).toEqual([]);
}, 180_000);

it('stops everything when it is interrupted while it starts', async () => {
  const child = start(['up', '--port', '0', '--dir', join(scratch.path, 'early')]);
  child.stdout?.once('data', () => child.kill('SIGINT'));
  const { stdout } = await collect(child);
  expect(child.signalCode).toBeNull();
  expect(stdout).toContain('chain');
  expect(processesOf(join(scratch.path, 'early'))).toEqual([]);
}, 120_000);
