import type { ExactKernels } from '../kernels.ts';

export function checkStartup(kernels: ExactKernels): void {
  void kernels;
}
