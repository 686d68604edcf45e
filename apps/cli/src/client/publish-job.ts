import {
  type BackendName,
  encodeJobSpec,
  encodeProgram,
  InvalidDocumentError,
  type JobSpec,
  type Program,
  type Reference,
} from '@cotrain/protocol';
import type { SwarmClient } from '@cotrain/swarm';
import { CommandError, exitCodes } from './errors.ts';

/** What computes: exact/1 gives the same bits wherever it runs, tfjs/1 what the backends that may train agree on. */
export type RuntimePlan = { runtime: 'exact/1' } | { runtime: 'tfjs/1'; backends: BackendName[] };

/** What a requester chooses of a JobSpec; the rest follows. */
export type JobPlan = Pick<JobSpec, 'name' | 'dataset' | 'steps' | 'batchSize' | 'commitEvery' | 'deadlineSeconds'> &
  RuntimePlan & {
    seed: bigint;
    gpuMemoryMiB: number;
    estimatedGpuSeconds: number;
  };

/** Another device may differ by so much: measured between backends, with room. */
const tolerance = { absolute: 0.001, relative: 0.01, drift: 0.01 };
const noTolerance = { absolute: 0, relative: 0, drift: 0 };

/** Puts program, initial state and JobSpec on Swarm and returns the JobSpec's reference. */
export async function publishJob(
  swarm: Pick<SwarmClient, 'upload'>,
  program: Program,
  plan: JobPlan,
): Promise<Reference> {
  // TensorFlow takes seconds to load: only a command that needs it waits.
  const { buildInitialState } = await import('@cotrain/training');
  const { seed, gpuMemoryMiB, estimatedGpuSeconds, ...rest } = plan;
  const spec: JobSpec = {
    version: 'cotrain.job/1',
    ...rest,
    ...(plan.runtime === 'exact/1'
      ? { backends: ['exact'], tolerance: noTolerance }
      : { backends: plan.backends, tolerance }),
    programReference: await swarm.upload(encodeProgram(program)),
    initialStateReference: await swarm.upload(await buildInitialState(program, seed, plan.runtime)),
    seed: String(seed),
    checkpointEvery: plan.commitEvery,
    resources: resourcesOf(plan),
  };
  return swarm.upload(encodeWithFlags(spec));
}

/** The flags that become these fields of a JobSpec. */
const flagsByField: Record<string, string> = {
  name: '--name',
  'dataset.trainSplit': '--train-split',
  'dataset.testSplit': '--test-split',
  steps: '--steps',
  batchSize: '--batch-size',
  commitEvery: '--commit-every',
  deadlineSeconds: '--training-window',
  'resources.gpuMemoryMiB': '--gpu-memory-mib',
  'resources.estimatedGpuSeconds': '--gpu-seconds',
};

/** @throws CommandError with exit code 2 that names the flag where a value of one is refused */
function encodeWithFlags(spec: JobSpec): Uint8Array {
  try {
    return encodeJobSpec(spec);
  } catch (cause) {
    if (!(cause instanceof InvalidDocumentError)) throw cause;
    const flag = Object.hasOwn(flagsByField, cause.field) ? flagsByField[cause.field] : undefined;
    if (flag === undefined) throw cause;
    throw new CommandError(exitCodes.usage, `${flag} ${cause.reason}`, { cause });
  }
}

/** What a job of the command line needs. */
export function resourcesOf({
  gpuMemoryMiB,
  estimatedGpuSeconds,
}: Pick<JobPlan, 'gpuMemoryMiB' | 'estimatedGpuSeconds'>): JobSpec['resources'] {
  return { gpuMemoryMiB, gpuCount: 1, cpuMilli: 1_000, memoryMiB: 1_024, estimatedGpuSeconds };
}
