import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '@cotrain/processes';
import { eventually } from '../../test/eventually.ts';
import { type Behaviour, schedulerContract, type SchedulerHarness } from '../../test/scheduler-contract.ts';
import { createDatabase, type Database } from '../database/database.ts';
import { LocalProcessScheduler, type LocalProcessSchedulerOptions } from './local-process-scheduler.ts';
import type { ScheduledJob } from './scheduler.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const reference = (digit: string): `0x${string}` => `0x${digit.repeat(64)}`;

/** Stands in for the trainer: what it does follows from the header's seed. It notes its process id and counts starts. */
const trainer = `
  const { appendFileSync, readFileSync } = require('node:fs');
  const flag = (name) => process.argv[process.argv.indexOf('--' + name) + 1];
  const header = JSON.parse(flag('header-json'));
  const folder = flag('workdir');
  appendFileSync(folder + '/starts', process.pid + '\\n');
  const starts = readFileSync(folder + '/starts', 'utf8').trim().split('\\n').length;
  const say = (message) => process.stdout.write(JSON.stringify(message) + '\\n');
  const result = { type: 'result', logReference: '0x' + '1'.repeat(64), modelReference: '0x' + '2'.repeat(64), testAccuracy: 0.5 };
  process.on('SIGTERM', () => { appendFileSync(folder + '/checkpoint', 'saved'); process.exit(143); });
  say({ type: 'start', backend: 'cpu' });
  const resumed = process.argv.includes('--resume-from') ? flag('resume-from') : null;
  const behaviour = ['finish', 'run', 'crash', 'refuse', 'crash once', 'talk nonsense', 'wait', 'checkpoint', 'chatter', 'flood'][Number(header.seed)];
  if (behaviour === 'finish' || (behaviour === 'crash once' && starts > 1)) say(result);
  else if (behaviour === 'run') setInterval(() => undefined, 1000);
  else if (behaviour === 'refuse') { console.error('the header is\\0 no header'); process.exitCode = 2; }
  else if (behaviour === 'wait') { if (starts > 5) say(result); else process.exitCode = 3; }
  else if (behaviour === 'checkpoint') {
    if (resumed !== null) say({ ...result, logReference: resumed });
    else {
      say({ type: 'checkpoint', step: 1, logReference: 'the log' });
      say({ type: 'checkpoint', step: 2, logReference: '0x' + '7'.repeat(64) });
      say({ type: 'void-segment', segment: 0, step: 1, reason: 'the loss is NaN' });
      setInterval(() => undefined, 1000);
    }
  }
  else if (behaviour === 'talk nonsense') say({ ...result, logReference: 'the log' });
  else if (behaviour === 'chatter') {
    for (let step = 0; step < header.steps; step++) say({ type: 'batch', step, loss: 1 / (step + 1), metric: 0, wallMs: 0.01 });
    say(result);
  } else if (behaviour === 'flood') {
    const piece = 'x'.repeat(1 << 20);
    for (let i = 0; i < 200; i++) process.stdout.write(piece);
    process.stdout.write('\\n');
    say(result);
  } else { console.error('out of memory'); process.exitCode = 1; }
`;
const behaviours = [
  'finish',
  'run',
  'crash',
  'refuse',
  'crash once',
  'talk nonsense',
  'wait',
  'checkpoint',
  'chatter',
  'flood',
] as const;

jest.setTimeout(90_000);

let database: Database;
let folder: string;
let offers = 0;
const schedulers: LocalProcessScheduler[] = [];

beforeAll(async () => {
  database = await createDatabase({});
}, 60_000);
afterAll(() => database.close());

function newFolder(): void {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-scheduler-'));
  writeFileSync(join(folder, 'trainer.cjs'), trainer);
}

function start(replica: string, changes: Partial<LocalProcessSchedulerOptions> = {}): LocalProcessScheduler {
  const scheduler = new LocalProcessScheduler({
    database,
    swarmUrl: 'http://127.0.0.1:1',
    workFolder: folder,
    trainerCommands: { default: [process.execPath, join(folder, 'trainer.cjs')] },
    logger: silent,
    replica,
    maxFailures: 3,
    firstPauseMs: 20,
    leaseMs: 4_000,
    stopGraceMs: 5_000,
    progressMs: 100,
    ...changes,
  });
  schedulers.push(scheduler);
  return scheduler;
}

function makeJob(behaviour: (typeof behaviours)[number], changes: Partial<ScheduledJob> = {}): ScheduledJob {
  const offerId = ++offers;
  return {
    name: `job-00000000-${String(offerId)}`,
    offerId,
    poolId: `pool-of-${folder}`,
    poolName: 'pool',
    poolSlots: 8,
    slots: 1,
    header: {
      jobSpecReference: reference('a'),
      programReference: reference('b'),
      trainingViewReference: reference('c'),
      initialStateReference: reference('d'),
      rows: 8n,
      rowBytes: 4,
      seed: BigInt(behaviours.indexOf(behaviour)),
      steps: 4,
      batchSize: 2,
      commitEvery: 2,
    },
    ...changes,
  };
}

const pidsOf = (name: string): number[] => {
  const file = join(folder, name, 'starts');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : [];
};
const observe = (name: string): ReturnType<SchedulerHarness['observe']> =>
  database.prisma.trainingJob.findUnique({ where: { name } });

schedulerContract('the scheduler of local processes', () => {
  newFolder();
  return Promise.resolve({
    start: (replica) => start(replica),
    job: (behaviour: Behaviour, changes) => makeJob(behaviour, changes),
    observe,
    workers: (name) => Promise.resolve(pidsOf(name).filter(isAlive).length),
    killWorker: async (name) => {
      const pid = await eventually('a worker', () => pidsOf(name).filter(isAlive)[0]);
      process.kill(pid, 'SIGKILL');
    },
    loseDisk: (name) => {
      // What the worker still has open goes with it; its process id is noted for killWorker.
      const workdir = join(folder, name);
      const starts = readFileSync(join(workdir, 'starts'), 'utf8');
      rmSync(workdir, { recursive: true, force: true });
      mkdirSync(workdir);
      writeFileSync(join(workdir, 'starts'), starts);
      return Promise.resolve();
    },
    until: async (what, ask) => {
      await eventually(what, ask);
    },
    close: async () => {
      await Promise.all(schedulers.splice(0).map((scheduler) => scheduler.close()));
      rmSync(folder, { recursive: true, force: true });
    },
  });
});

describe('local processes', () => {
  beforeAll(newFolder);
  afterEach(async () => {
    await Promise.all(schedulers.splice(0).map((scheduler) => scheduler.close()));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test('a clean shutdown lets the trainer write its checkpoint', async () => {
    const job = makeJob('run');
    const scheduler = start('first');
    await scheduler.ensure(job);
    await eventually('the trainer', () => pidsOf(job.name).length > 0);
    await scheduler.close();
    expect(readFileSync(join(folder, job.name, 'checkpoint'), 'utf8')).toBe('saved');
  });

  test('a trainer that an earlier process left in the work folder is ended before another one starts', async () => {
    const job = makeJob('run');
    const workdir = join(folder, job.name);
    mkdirSync(workdir, { recursive: true });
    const orphan = spawn(
      process.execPath,
      [join(folder, 'trainer.cjs'), 'train', '--header-json', '{"seed":"1"}', '--workdir', workdir],
      { stdio: 'ignore' },
    );
    await eventually('the orphan to run', () => pidsOf(job.name).length === 1);
    writeFileSync(join(workdir, 'trainer.pid'), String(orphan.pid));
    const scheduler = start('first');
    await scheduler.ensure(job);
    await eventually('the new trainer', () => pidsOf(job.name).length === 2);
    expect(pidsOf(job.name).filter(isAlive)).toHaveLength(1);
    expect(isAlive(orphan.pid ?? 0)).toBe(false);
    expect(readFileSync(join(workdir, 'checkpoint'), 'utf8')).toBe('saved');
  });

  test('a noted process id that now belongs to another program is left alone', async () => {
    const job = makeJob('finish');
    const workdir = join(folder, job.name);
    mkdirSync(workdir, { recursive: true });
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    writeFileSync(join(workdir, 'trainer.pid'), String(bystander.pid));
    await start('first').ensure(job);
    await eventually('the job', async () => (await observe(job.name))?.state === 'done');
    expect(isAlive(bystander.pid ?? 0)).toBe(true);
    bystander.kill('SIGKILL');
  });

  test('the folder of another job under the same name is emptied first', async () => {
    const first = makeJob('finish');
    await start('first').ensure(first);
    await eventually('the first job', async () => (await observe(first.name))?.state === 'done');
    writeFileSync(join(folder, first.name, 'training.log'), 'of the first job');
    await Promise.all(schedulers.splice(0).map((scheduler) => scheduler.close()));
    // A reorganisation took the offer back, and another offer got its number.
    await database.prisma.trainingJob.update({ where: { name: first.name }, data: { state: 'stopped' } });
    const second = { ...makeJob('run'), name: first.name, offerId: first.offerId };
    await start('second').ensure(second);
    await eventually('the second job', () => pidsOf(first.name).filter(isAlive).length === 1);
    expect(pidsOf(first.name)).toHaveLength(1);
    expect(existsSync(join(folder, first.name, 'training.log'))).toBe(false);
  });

  test("a job that a reorganisation gave another's offer starts when that one was stopped, and nothing of it stays", async () => {
    const scheduler = start('first');
    const before = makeJob('run');
    const after = makeJob('run', { name: `${before.name}-other`, offerId: before.offerId });
    await scheduler.ensure(before);
    await eventually('the trainer', () => pidsOf(before.name).length > 0);
    const { offerId } = before;
    await database.prisma.logBatch.create({ data: { offerId, step: 0, loss: 1, metric: 0, wallMs: 1 } });
    await scheduler.ensure(after);
    expect(pidsOf(after.name)).toEqual([]);
    expect(await observe(before.name)).toMatchObject({ state: 'running' });
    await scheduler.stop(before.name);
    await scheduler.ensure(after);
    await eventually('the other trainer', () => pidsOf(after.name).length > 0);
    expect(await observe(before.name)).toBeNull();
    expect(await database.prisma.logBatch.findFirst({ where: { offerId } })).toBeNull();
    expect(await observe(after.name)).toMatchObject({ state: 'running', offerId });
    expect(pidsOf(before.name).filter(isAlive)).toEqual([]);
  });

  test('a segment without a finite result is logged with its step', async () => {
    const logged: { fields: object; message: string }[] = [];
    const warn = (fields: object, message: string): void => void logged.push({ fields, message });
    const job = makeJob('checkpoint');
    await start('first', { logger: { ...silent, warn } }).ensure(job);
    const found = await eventually('the line', () =>
      logged.find(({ message }) => message.includes('no finite result')),
    );
    expect(found.fields).toEqual({ job: job.name, segment: 0, step: 1, reason: 'the loss is NaN' });
  });

  test('a hundred thousand fast batches become samples and a bounded number of messages', async () => {
    const job = makeJob('chatter');
    job.header.steps = 100_000;
    const before = await database.prisma.outbox.count();
    await start('first').ensure(job);
    await eventually('the job', async () => (await observe(job.name))?.state === 'done');
    const batches = await database.prisma.logBatch.findMany({
      where: { offerId: job.offerId },
      orderBy: { step: 'asc' },
    });
    expect(batches.length).toBe(2_001);
    expect(batches.at(-1)).toMatchObject({ step: 99_999 });
    expect((await database.prisma.outbox.count()) - before).toBeLessThan(500);
  });

  test('two hundred megabytes without a line end are not kept in memory', async () => {
    const job = makeJob('flood');
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    await start('first').ensure(job);
    await eventually('the job', async () => (await observe(job.name))?.state === 'done');
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 2 ** 20);
  });

  test('without its lease a replica ends its trainer and records nothing more', async () => {
    const job = makeJob('run');
    const scheduler = start('first');
    await scheduler.ensure(job);
    await eventually('the trainer', () => pidsOf(job.name).filter(isAlive).length === 1);
    // As if it had slept: another replica has taken the lease.
    await database.prisma.lease.update({
      where: { name: `job:${job.name}` },
      data: { holder: 'second', fence: { increment: 1 }, expiresAt: new Date(Date.now() + 60_000) },
    });
    await eventually('the trainer to end', () => pidsOf(job.name).filter(isAlive).length === 0);
    expect(await observe(job.name)).toMatchObject({ state: 'running' });
  });
});
