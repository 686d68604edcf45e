import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeRows, rowIndices } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { exampleProgram } from '../../apps/trainer/test/example-programs.ts';
import { mnistColumns, mnistViews } from '../../apps/trainer/test/mnist-view.ts';
import { publishJob } from '../../apps/trainer/test/publish-job.ts';
import { selectBackend } from '../../apps/trainer/src/backend.ts';
import { tf, tfLayers } from '../../apps/trainer/src/tf.ts';
import { trainJob } from '../../apps/trainer/src/train-job.ts';
import type { BenchRow } from './bench-row.ts';

const steps = 384;
const batchSize = 64;
const rounds = 5;
const repository = join(import.meta.dirname, '../..');

/** The same model trained by TensorFlow.js alone, on rows that are in memory. Returns milliseconds a step. */
async function plainTraining(rows: Uint8Array, rowBytes: number): Promise<number> {
  const topology = structuredClone(exampleProgram('mnist-mlp').topology);
  const model = await tfLayers.models.modelFromJSON(
    topology as unknown as Parameters<typeof tfLayers.models.modelFromJSON>[0],
  );
  model.compile({ optimizer: tf.train.adam(0.003), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  const rowCount = BigInt(rows.length / rowBytes);
  const startedMs = performance.now();
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
  const perStepMs = (performance.now() - startedMs) / steps;
  model.dispose();
  return perStepMs;
}

async function startStore(directory: string): Promise<{ url: string; stop(): void }> {
  // A process of its own, as in production: its work is not the trainer's.
  const child = spawn(
    process.execPath,
    [join(repository, 'libs/swarm/dist/serve.js'), '--dir', directory, '--port', '0'],
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
 * reproducible dropout) beside a plain loop of trainOnBatch over the same rows on the same backend, run in turn.
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
    const plain: number[] = [];
    const ours: number[] = [];
    for (let round = 0; round < rounds; round++) {
      plain.push(await plainTraining(train, header.rowBytes));
      const startedMs = performance.now();
      const fresh = new SwarmClient({ url: store.url });
      await trainJob({ store: fresh, header, workdir: join(directory, `run-${String(round)}`), backend: 'wasm' });
      ours.push((performance.now() - startedMs) / steps);
    }
    const plainMs = median(plain);
    const oursMs = median(ours);
    // Of rounds side by side, because what else runs on the machine changes from one round to the next.
    const ratio = median(ours.map((perStepMs, round) => perStepMs / (plain[round] ?? Number.NaN)));
    const row = { bench: 'trainer', better: 'lower' as const, peer: 'trainOnBatch loop' };
    return [
      { ...row, metric: 'step of the MNIST MLP on WASM', value: oursMs, unit: 'ms', bar: null, peerValue: plainMs },
      {
        ...row,
        metric: 'overhead over plain training',
        value: (ratio - 1) * 100,
        unit: '%',
        bar: 10,
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
