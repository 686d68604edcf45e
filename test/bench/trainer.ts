import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeRows, rowIndices, segmentCount } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { selectBackend, trainJob, type TrainResult, validateCommitment } from '@cotrain/training';
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

/**
 * Everything that a job adds to training (verified download, batches from Swarm, log, checkpoints, uploaded states,
 * reproducible dropout) beside a plain loop of trainOnBatch over the same rows on the same backend, run in turn. Both use
 * the trainer's faster product of transposed matrices, so what is compared is only what a job adds.
 */
export async function run(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'cotrain-bench-trainer-'));
  const store = await startStore(join(directory, 'store'));
  try {
    const client = new SwarmClient({ url: store.url });
    const { train } = mnistViews();
    const program = exampleProgram('mnist-mlp');
    const job = {
      program,
      columns: mnistColumns,
      train,
      steps,
      batchSize,
      commitEvery: 128,
      backends: ['wasm' as const],
    };
    const header = await publishJob(client, job);
    await selectBackend(['wasm']);
    const plain: Measured[] = [];
    const ours: Measured[] = [];
    const validating: Measured[] = [];
    const trainPlain = async (): Promise<void> => {
      plain.push(await measured(() => plainTraining(train, header.rowBytes)));
    };
    const trainOurs = async (round: number): Promise<void> => {
      const fresh = new SwarmClient({ url: store.url });
      const workdir = join(directory, `run-${String(round)}`);
      let result: TrainResult | undefined;
      ours.push(
        await measured(async () => {
          result = await trainJob({ store: fresh, header, workdir, backend: 'wasm' });
        }),
      );
      if (result === undefined) throw new Error('the job gave no result');
      const { logReference, modelReference } = result;
      const segments = Array.from({ length: segmentCount(header) }, (_, segment) => segment);
      const commitment = { header, logReference, modelReference, segments };
      validating.push(
        await measured(async () => {
          const { vote } = await validateCommitment({ store: new SwarmClient({ url: store.url }), ...commitment });
          if (vote !== 'Valid') throw new Error(`an honest job was found ${vote}`);
        }),
      );
    };
    // One round that only warms up, then rounds in alternating order.
    for (let round = 0; round <= rounds; round++) {
      if (round % 2 === 0) await trainPlain();
      await trainOurs(round);
      if (round % 2 === 1) await trainPlain();
    }
    for (const list of [plain, ours, validating]) list.shift();
    const wall = (list: readonly Measured[]): number => median(list.map(({ wallMs }) => wallMs));
    // Of rounds side by side, because what else runs on the machine changes from one round to the next.
    const overhead = (list: readonly Measured[], key: keyof Measured): number =>
      (median(list.map((round, index) => round[key] / (plain[index]?.[key] ?? Number.NaN))) - 1) * 100;
    const row = { bench: 'trainer', better: 'lower' as const, peer: 'trainOnBatch loop' };
    return [
      {
        ...row,
        metric: 'step of the MNIST MLP on WASM',
        value: wall(ours),
        unit: 'ms',
        bar: null,
        peerValue: wall(plain),
      },
      {
        ...row,
        metric: 'step when validating all segments',
        value: wall(validating),
        unit: 'ms',
        bar: null,
        peerValue: wall(plain),
      },
      {
        ...row,
        metric: 'overhead over plain training',
        value: overhead(ours, 'wallMs'),
        unit: '%',
        bar: 10,
        peer: null,
        peerValue: null,
      },
      {
        ...row,
        metric: 'overhead in processor time',
        value: overhead(ours, 'processorMs'),
        unit: '%',
        bar: null,
        peer: null,
        peerValue: null,
      },
    ];
  } finally {
    store.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
