import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeIsAvailable } from '@cotrain/exact';
import { decodeRows, type JobHeader, rowIndices, segmentCount } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { selectFor, trainJob, type TrainResult, validateCommitment, type Wanted } from '@cotrain/training';
import { exampleProgram, mnistColumns, mnistViews, publishJob } from '@cotrain/training/testing';
import * as tf from '@tensorflow/tfjs-core';
import * as tfLayers from '@tensorflow/tfjs-layers';
import type { BenchRow } from './bench-row.ts';

/** Eight epochs, as a small job has. */
const steps = 1_000;
const batchSize = 64;
const rounds = 5;

/** What a step took, on the clock and of this process's processor time. */
interface Measured {
  wallMs: number;
  processorMs: number;
}

async function measured(action: () => Promise<void>): Promise<Measured> {
  const startedMs = performance.now();
  const before = process.cpuUsage();
  await action();
  const { user, system } = process.cpuUsage(before);
  return { wallMs: (performance.now() - startedMs) / steps, processorMs: (user + system) / 1_000 / steps };
}

/** The same model trained by TensorFlow.js alone, on rows that are in memory. */
async function plainTraining(rows: Uint8Array, rowBytes: number): Promise<void> {
  const topology = structuredClone(exampleProgram('mnist-mlp').topology);
  const model = await tfLayers.models.modelFromJSON(
    topology as unknown as Parameters<typeof tfLayers.models.modelFromJSON>[0],
  );
  model.compile({ optimizer: tf.train.adam(0.003), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  const rowCount = BigInt(rows.length / rowBytes);
  for (let step = 0; step < steps; step++) {
    const bytes = Buffer.concat(
      rowIndices(7n, step, batchSize, rowCount).map((row) => rows.subarray(row * rowBytes, (row + 1) * rowBytes)),
    );
    const values = decodeRows(mnistColumns, bytes, batchSize);
    const x = tf.tensor2d(values.get('image') ?? [], [batchSize, 784], 'float32');
    const y = tf.tensor2d(Float32Array.from(values.get('digit') ?? []), [batchSize, 1]);
    await model.trainOnBatch(x, y);
    tf.dispose([x, y]);
  }
  model.dispose();
}

async function startStore(directory: string): Promise<{ url: string; stop(): void }> {
  // A process of its own, as in production: its work is not the trainer's.
  const child = spawn(
    process.execPath,
    [createRequire(import.meta.url).resolve('@cotrain/swarm/serve.js'), '--dir', directory, '--port', '0'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const url = await new Promise<string>((resolve, reject) => {
    let output = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
      const found = /http:\/\/[^\s"]+/.exec(output);
      if (found !== null) resolve(found[0]);
    });
    child.on('exit', (code) => {
      reject(new Error(`the store ended with ${String(code)}`));
    });
  });
  return {
    url,
    stop: () => {
      child.kill();
    },
  };
}

/** A runtime, what computes it here, and what its rounds took. */
interface Contender {
  name: string;
  runtime: 'tfjs/1' | 'exact/1';
  wanted: Wanted;
  header: JobHeader;
  plain: Measured[];
  ours: Measured[];
  validating: Measured[];
}

/** Resources of the published jobs: one thread. */
const resources = { gpuMemoryMiB: 0, gpuCount: 0, cpuMilli: 1_000, memoryMiB: 512, estimatedGpuSeconds: 60 };

/**
 * Everything that a job adds to training (verified download, batches from Swarm, log, checkpoints, uploaded states,
 * reproducible dropout) beside a plain loop of trainOnBatch over the same rows on the same backend, run in turn. Both use
 * the trainer's faster product of transposed matrices, so what is compared is only what a job adds. For exact/1 the plain
 * loop takes TensorFlow.js's own Adam, the job the profile's step.
 */
export async function run(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'cotrain-bench-trainer-'));
  const store = await startStore(join(directory, 'store'));
  try {
    const client = new SwarmClient({ url: store.url });
    const { train } = mnistViews();
    const job = {
      program: exampleProgram('mnist-mlp'),
      columns: mnistColumns,
      train,
      steps,
      batchSize,
      commitEvery: 128,
    };
    const contender = async (
      name: string,
      runtime: Contender['runtime'],
      wanted: Wanted,
      backends: Parameters<typeof publishJob>[1]['backends'] = ['wasm'],
    ): Promise<Contender> => {
      const header = await publishJob(client, { ...job, runtime, backends, resources });
      return { name, runtime, wanted, header, plain: [], ours: [], validating: [] };
    };
    const tfjs = await contender('tfjs/1 on WASM', 'tfjs/1', { backend: 'wasm' });
    const exact = await contender('exact/1 on WASM', 'exact/1', { implementation: 'wasm' });
    const native = await contender('exact/1 on native code', 'exact/1', { implementation: 'native' });
    const beside = [tfjs, exact];
    const contenders = nativeIsAvailable() ? [...beside, native] : beside;
    if (!nativeIsAvailable()) console.log('trainer: the native kernels are not built here; their row is left out');

    const trainPlain = async ({ runtime, wanted, header, plain }: Contender): Promise<void> => {
      await selectFor({ runtime, backends: runtime === 'exact/1' ? ['exact'] : ['wasm'], resources }, wanted);
      plain.push(await measured(() => plainTraining(train, header.rowBytes)));
    };
    const trainOurs = async (each: Contender, workdir: string): Promise<void> => {
      const { wanted, header, ours, validating } = each;
      const fresh = new SwarmClient({ url: store.url });
      let result: TrainResult | undefined;
      ours.push(
        await measured(async () => {
          result = await trainJob({ store: fresh, header, workdir, ...wanted });
        }),
      );
      if (result === undefined) throw new Error('the job gave no result');
      if (!beside.includes(each)) return;
      const { logReference, modelReference } = result;
      const segments = Array.from({ length: segmentCount(header) }, (_, segment) => segment);
      const commitment = { header, logReference, modelReference, segments, ...wanted };
      validating.push(
        await measured(async () => {
          const { vote } = await validateCommitment({ store: new SwarmClient({ url: store.url }), ...commitment });
          if (vote !== 'Valid') throw new Error(`an honest job was found ${vote}`);
        }),
      );
    };
    // One round that only warms up, then rounds in alternating order.
    for (let round = 0; round <= rounds; round++)
      for (const each of contenders) {
        const hasPeer = beside.includes(each);
        if (hasPeer && round % 2 === 0) await trainPlain(each);
        await trainOurs(each, join(directory, `run-${String(round)}-${String(contenders.indexOf(each))}`));
        if (hasPeer && round % 2 === 1) await trainPlain(each);
      }
    for (const { plain, ours, validating } of contenders) for (const list of [plain, ours, validating]) list.shift();
    return [...beside.flatMap(rowsOf), ...contenders.slice(1).map((each) => speedRow(each, tfjs))];
  } finally {
    store.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

const wall = (list: readonly Measured[]): number => median(list.map(({ wallMs }) => wallMs));

/** Of rounds side by side, because what else runs on the machine changes from one round to the next. */
function ratio(list: readonly Measured[], beside: readonly Measured[], key: keyof Measured): number {
  return median(list.map((round, index) => round[key] / (beside[index]?.[key] ?? Number.NaN)));
}

function rowsOf({ name, plain, ours, validating }: Contender): BenchRow[] {
  const row = { bench: 'trainer', better: 'lower' as const, peer: 'trainOnBatch loop', peerValue: wall(plain) };
  const overhead = (key: keyof Measured): number => (ratio(ours, plain, key) - 1) * 100;
  const alone = { ...row, unit: '%', peer: null, peerValue: null };
  return [
    { ...row, metric: `step of the MNIST MLP, ${name}`, value: wall(ours), unit: 'ms', bar: null },
    { ...row, metric: `step when validating all segments, ${name}`, value: wall(validating), unit: 'ms', bar: null },
    { ...alone, metric: `overhead over plain training, ${name}`, value: overhead('wallMs'), bar: 10 },
    { ...alone, metric: `overhead in processor time, ${name}`, value: overhead('processorMs'), bar: null },
  ];
}

/** What exactness costs: below 1 it is faster. */
function speedRow({ name, ours }: Contender, tfjs: Contender): BenchRow {
  return {
    bench: 'trainer',
    metric: `a job's step, ${name} : tfjs/1 on WASM`,
    value: ratio(ours, tfjs.ours, 'wallMs'),
    unit: 'x',
    better: 'lower',
    bar: null,
    peer: 'tfjs/1 on WASM, ms',
    peerValue: wall(tfjs.ours),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
