import { startupVectors } from '../conformance/startup-vectors.ts';
import { runVector } from '../conformance/vector.ts';
import { StartupMismatchError } from '../errors.ts';
import type { ExactKernels } from '../kernels.ts';

/** Shows that this implementation computes exact/1 on this machine. @throws StartupMismatchError at the first difference */
export function checkStartup(kernels: ExactKernels): void {
  for (const vector of startupVectors) {
    const mismatch = runVector(kernels, vector);
    if (mismatch !== null)
      throw new StartupMismatchError(kernels.name, mismatch.vector, mismatch.index, mismatch.expected, mismatch.actual);
  }
}
