import { type BackendName, exactBackend, type JobBackendName, type JobSpec } from '@cotrain/protocol';
import { selectBackend } from './backend.ts';
import { BackendUnavailableError } from './errors.ts';
import { type ExactImplementation, selectExact } from './exact-implementations.ts';

/** What to compute with, where a caller minds. */
export interface Wanted {
  /** Exactly this backend instead of the best that the job allows and this machine has; of jobs for tfjs/1. */
  backend?: JobBackendName | undefined;
  /** Exactly this implementation instead of the fastest that works here; of jobs for exact/1. */
  implementation?: ExactImplementation | undefined;
}

/** What was selected. */
export interface Selection {
  /** As the log names it. */
  backend: JobBackendName;
  /** What computes on this machine: an implementation of exact/1, or the backend itself. Telemetry; no document has it. */
  computer: BackendName | ExactImplementation;
}

/**
 * Makes ready what a job runs on.
 * @throws BackendUnavailableError naming what was tried and why it failed
 */
export async function selectFor(
  spec: Pick<JobSpec, 'runtime' | 'backends' | 'resources'>,
  { backend, implementation }: Wanted = {},
): Promise<Selection> {
  if (spec.runtime === 'exact/1') {
    if (backend !== undefined && backend !== exactBackend)
      throw new BackendUnavailableError(
        `backend is ${backend}, but the job is for exact/1, whose results are the same on all: leave it out, or choose an implementation.`,
      );
    return { backend: exactBackend, computer: await selectExact(spec.resources, implementation) };
  }
  if (implementation !== undefined)
    throw new BackendUnavailableError(
      `implementation is ${implementation}, but the job is for ${spec.runtime}: leave it out, or choose a backend.`,
    );
  const allowed = spec.backends.filter((name) => name !== exactBackend);
  if (backend === exactBackend)
    throw new BackendUnavailableError(
      `backend is exact, which this job does not allow: choose one of ${allowed.join(', ')}.`,
    );
  const selected = await selectBackend(allowed, backend);
  return { backend: selected, computer: selected };
}
