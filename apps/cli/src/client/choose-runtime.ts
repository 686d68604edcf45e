import {
  type BackendName,
  backendNames,
  type JobSpec,
  type Program,
  type Runtime,
  type ViewColumn,
} from '@cotrain/protocol';
import { CommandError, exitCodes } from './errors.ts';
import type { RuntimePlan } from './publish-job.ts';

/** What was asked for, and what decides where nothing was. */
export interface RuntimeWish {
  runtime?: Runtime | undefined;
  /** Backends of tfjs/1 that may train. */
  backends?: BackendName[] | undefined;
  program: Program;
  /** Of the dataset. */
  columns: readonly ViewColumn[];
  resources: JobSpec['resources'];
}

/** The choice, and why it is not exact/1 where that was not asked for. */
export interface RuntimeChoice {
  plan: RuntimePlan;
  reason: string | null;
}

/**
 * The runtime of an offer: the one asked for; tfjs/1 for whoever names backends of it; otherwise exact/1 if it has every
 * kernel that the program calls, which a step on a row of zeros shows.
 * @throws CommandError (2) for backends with exact/1; KernelMissingError when exact/1 was asked for and has not all of them
 */
export async function chooseRuntime({ runtime, backends, ...job }: RuntimeWish): Promise<RuntimeChoice> {
  if (runtime === 'exact/1' && backends !== undefined)
    throw new CommandError(
      exitCodes.usage,
      `--backend ${backends.join(', ')} with --runtime exact/1: its results are the same on every backend; leave --backend out.`,
    );
  const tfjs: RuntimePlan = { runtime: 'tfjs/1', backends: backends ?? [...backendNames] };
  if (runtime === 'tfjs/1') return { plan: tfjs, reason: null };
  if (backends !== undefined) return { plan: tfjs, reason: '--backend belongs to it' };
  // TensorFlow takes seconds to load: only a command that needs it waits.
  const { KernelMissingError, probeProgram } = await import('@cotrain/training');
  try {
    await probeProgram({ runtime: 'exact/1', backends: ['exact'], ...job });
    return { plan: { runtime: 'exact/1' }, reason: null };
  } catch (error) {
    if (!(error instanceof KernelMissingError) || runtime === 'exact/1') throw error;
    return { plan: tfjs, reason: `exact/1 has no kernel ${error.kernel}, which the program needs` };
  }
}
