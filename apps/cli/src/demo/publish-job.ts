import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  decodeProgram,
  encodeJobSpec,
  encodeProgram,
  type JobSpec,
  canonicalJson,
  type Reference,
} from '@cotrain/protocol';
import type { SwarmClient } from '@cotrain/swarm';
import { buildInitialState } from '@cotrain/trainer';

/** What a requester chooses; the rest of a JobSpec follows. */
export interface JobPlan {
  name: string;
  manifestReference: Reference;
  seed: bigint;
  steps: number;
  batchSize: number;
  commitEvery: number;
  gpuMemoryMiB: number;
  estimatedGpuSeconds: number;
  deadlineSeconds: number;
}

/** Puts program, initial state and JobSpec of an MNIST job on Swarm and returns the JobSpec's reference. */
export async function publishMnistJob(
  swarm: SwarmClient,
  plan: JobPlan,
): Promise<{ jobSpecReference: Reference; spec: JobSpec }> {
  const require = createRequire(import.meta.url);
  const file = join(dirname(require.resolve('@cotrain/trainer')), '../examples/mnist-mlp.program.json');
  const program = decodeProgram(canonicalJson(JSON.parse(await readFile(file, 'utf8')), 64));
  const { manifestReference, seed, gpuMemoryMiB, estimatedGpuSeconds, ...rest } = plan;
  const spec: JobSpec = {
    version: 'cotrain.job/1',
    ...rest,
    runtime: 'tfjs/1',
    dataset: { manifestReference, trainSplit: 'train', testSplit: 'test' },
    programReference: await swarm.upload(encodeProgram(program)),
    initialStateReference: await swarm.upload(await buildInitialState(program, seed)),
    seed: String(seed),
    checkpointEvery: plan.commitEvery,
    backends: ['wasm', 'cpu'],
    resources: { gpuMemoryMiB, gpuCount: 1, cpuMilli: 1_000, memoryMiB: 1_024, estimatedGpuSeconds },
    tolerance: { absolute: 0.001, relative: 0.01, drift: 0.01 },
  };
  return { jobSpecReference: await swarm.upload(encodeJobSpec(spec)), spec };
}
