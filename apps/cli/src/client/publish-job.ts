import { encodeJobSpec, encodeProgram, type JobSpec, type Program, type Reference } from '@cotrain/protocol';
import type { SwarmClient } from '@cotrain/swarm';

/** What a requester chooses of a JobSpec; the rest follows. */
export type JobPlan = Pick<
  JobSpec,
  'name' | 'dataset' | 'steps' | 'batchSize' | 'commitEvery' | 'backends' | 'deadlineSeconds'
> & {
  seed: bigint;
  gpuMemoryMiB: number;
  estimatedGpuSeconds: number;
};

/** Another device may differ by so much: measured between backends, with room. */
const tolerance = { absolute: 0.001, relative: 0.01, drift: 0.01 };

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
    runtime: 'tfjs/1',
    programReference: await swarm.upload(encodeProgram(program)),
    initialStateReference: await swarm.upload(await buildInitialState(program, seed)),
    seed: String(seed),
    checkpointEvery: plan.commitEvery,
    resources: { gpuMemoryMiB, gpuCount: 1, cpuMilli: 1_000, memoryMiB: 1_024, estimatedGpuSeconds },
    tolerance,
  };
  return swarm.upload(encodeJobSpec(spec));
}
