import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import {
  encodeDatasetManifest,
  encodeJobSpec,
  encodeProgram,
  encodeRow,
  formatHeaderJson,
  type JobHeader,
  type ViewColumn,
} from '@cotrain/protocol';
import { startSwarmStore, SwarmClient, type SwarmStore } from '@cotrain/swarm';
import { createDatabase, type Database } from '../src/database/database.ts';
import { LocalProcessScheduler } from '../src/scheduling/local-process-scheduler.ts';
import { recordingLogger } from './api-stack.ts';
import { eventually } from './eventually.ts';

// The real trainer, killed with all that it has on disk.

const folder = mkdtempSync(join(tmpdir(), 'cotrain-lost-disk-'));
const trainer = join(folder, 'trainer.mjs');
const built = (path: string): string => JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../..', path)).href);
/** The trainer's command, but it publishes its log every 100 ms instead of every minute. */
const hastyTrainer = `
  const { parseHeaderJson } = await import(${built('libs/protocol/dist/index.js')});
  const { trainJob } = await import(${built('libs/training/dist/index.js')});
  const { SwarmClient } = await import(${built('libs/swarm/dist/index.js')});
  const flag = (name) => (process.argv.includes('--' + name) ? process.argv[process.argv.indexOf('--' + name) + 1] : undefined);
  const resumeFrom = flag('resume-from');
  await trainJob({
    store: new SwarmClient({ url: flag('swarm') }),
    header: parseHeaderJson(flag('header-json')),
    workdir: flag('workdir'),
    publishLogEveryMs: 100,
    onProgress: (event) => process.stdout.write(JSON.stringify(event) + '\\n'),
    ...(resumeFrom === undefined ? {} : { resumeFrom }),
  });
  process.exit();
`;
let store: SwarmStore;
let database: Database;

beforeAll(async () => {
  writeFileSync(trainer, hastyTrainer);
  store = await startSwarmStore({ dir: join(folder, 'swarm'), port: 0 });
  database = await createDatabase({});
}, 60_000);
afterAll(async () => {
  await database.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test('another machine goes on from the published log, and comes to the same log and model', async () => {
  const header = await publishJob(new SwarmClient({ url: store.url }));
  const logger = recordingLogger();
  const replica = (name: string): LocalProcessScheduler =>
    new LocalProcessScheduler({
      database,
      swarmUrl: store.url,
      workFolder: join(folder, name),
      trainerCommands: { default: [process.execPath, trainer] },
      logger,
      replica: name,
      firstPauseMs: 50,
      progressMs: 50,
      leaseMs: 5_000,
    });
  const name = 'job-00000000-1';
  const job = { name, offerId: 1, poolId: 'pool', poolName: 'pool', poolSlots: 1, slots: 1, header };
  const row = () => database.prisma.trainingJob.findUniqueOrThrow({ where: { name } });

  const first = replica('first');
  await first.ensure(job);
  await eventually('a published log', async () => {
    const { state, failure, checkpointReference } = await row();
    expect({ state, failure }).toEqual({ state: 'running', failure: null });
    return checkpointReference;
  });
  const killed = Number(readFileSync(join(folder, 'first', name, 'trainer.pid'), 'utf8'));
  // The machine is gone: its trainer at once, and its disk with it.
  const closing = first.close();
  process.kill(killed, 'SIGKILL');
  await closing;
  rmSync(join(folder, 'first'), { recursive: true, force: true });
  expect((await row()).state).toBe('running');
  // So that what is recorded from here on tells where the second one begins.
  await database.prisma.logBatch.deleteMany();

  const second = replica('second');
  await eventually(
    'the job',
    async () => {
      await second.ensure(job);
      return (await row()).state === 'done';
    },
    120_000,
  );
  await second.close();
  const done = await row();
  expect(done.attempts).toBe(2);
  const [earliest] = await database.prisma.logBatch.findMany({ orderBy: { step: 'asc' }, take: 1 });
  expect(earliest?.step).toBeGreaterThanOrEqual(header.commitEvery);

  const uninterrupted = await train(header, join(folder, 'uninterrupted'));
  expect({ log: done.logReference, model: done.modelReference }).toEqual({
    log: uninterrupted['logReference'],
    model: uninterrupted['modelReference'],
  });
}, 240_000);

async function train(header: JobHeader, workdir: string): Promise<Record<string, unknown>> {
  mkdirSync(workdir);
  const flags = ['--swarm', store.url, '--header-json', formatHeaderJson(header), '--workdir', workdir];
  const { stdout } = await promisify(execFile)(process.execPath, [trainer, 'train', ...flags], { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
}

/** A perceptron with so many steps that it can be caught in the middle. */
async function publishJob(swarm: SwarmClient): Promise<JobHeader> {
  const columns: ViewColumn[] = [
    { name: 'x', role: 'input', dtype: 'float32', shape: [2] },
    { name: 'y', role: 'target', dtype: 'uint8', shape: [] },
  ];
  const rows = Array.from({ length: 64 }, (_, index) => {
    const [a, b] = [Math.sin(index * 12.9), Math.cos(index * 78.2)];
    return encodeRow(
      columns,
      new Map([
        ['x', [a, b]],
        ['y', [a > b ? 1 : 0]],
      ]),
    );
  });
  const rowBytes = rows[0]?.length ?? 0;
  const trainingViewReference = await swarm.upload(Buffer.concat(rows));
  const dense = (name: string, units: number, activation: string, more: object = {}): object => ({
    class_name: 'Dense',
    config: {
      name,
      units,
      activation,
      use_bias: true,
      kernel_initializer: { class_name: 'GlorotUniform', config: {} },
      bias_initializer: { class_name: 'Zeros', config: {} },
      ...more,
    },
  });
  const program = encodeProgram({
    version: 'cotrain.program/1',
    topology: {
      class_name: 'Sequential',
      config: {
        name: 'small',
        layers: [
          dense('hidden', 16, 'tanh', { batch_input_shape: [null, 2], dtype: 'float32' }),
          dense('class', 2, 'softmax'),
        ],
      },
    } as Parameters<typeof encodeProgram>[0]['topology'],
    optimizer: { kind: 'sgd', learningRate: 0.05 },
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  });
  const weights = Float32Array.from({ length: 2 * 16 + 16 + 16 * 2 + 2 }, (_, index) => Math.sin(index) / 4);
  const fixed = {
    programReference: await swarm.upload(program),
    initialStateReference: await swarm.upload(new Uint8Array(weights.buffer)),
    steps: 6_000,
    batchSize: 16,
    commitEvery: 100,
  };
  const manifestReference = await swarm.upload(
    encodeDatasetManifest({
      version: 'cotrain.dataset/1',
      name: 'points',
      license: 'CC0-1.0',
      columns,
      splits: { train: { viewReference: trainingViewReference, rows: rows.length, rowBytes } },
    }),
  );
  const jobSpecReference = await swarm.upload(
    encodeJobSpec({
      version: 'cotrain.job/1',
      name: 'points',
      runtime: 'tfjs/1',
      dataset: { manifestReference, trainSplit: 'train' },
      ...fixed,
      seed: '7',
      checkpointEvery: 100,
      backends: ['cpu'],
      resources: { gpuMemoryMiB: 0, gpuCount: 0, cpuMilli: 1_000, memoryMiB: 512, estimatedGpuSeconds: 60 },
      deadlineSeconds: 3_600,
      tolerance: { absolute: 0.001, relative: 0.01, drift: 0.01 },
    }),
  );
  return { jobSpecReference, trainingViewReference, rows: BigInt(rows.length), rowBytes, seed: 7n, ...fixed };
}
