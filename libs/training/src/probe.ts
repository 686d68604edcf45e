import { type JobSpec, type Program, rowBytes, type ViewColumn } from '@cotrain/protocol';
import { selectFor } from './select-runtime.ts';
import { StepRunner } from './step-runner.ts';
import { UndefinedStepError } from './undefined-step.ts';

/** A model, the form of its rows, and what is to compute it. */
export interface Probe extends Pick<JobSpec, 'runtime' | 'backends' | 'resources'> {
  program: Program;
  columns: readonly ViewColumn[];
}

/**
 * Executes one step of a Program on a row of zeros, to find out whether the runtime has every kernel that it calls, before
 * there is a job and with nothing but the columns of a dataset.
 * @throws KernelMissingError naming the kernel; UnsupportedProgramError, InvalidJobError, ProgramTooLargeError
 */
export async function probeProgram({ program, columns, ...spec }: Probe): Promise<void> {
  await selectFor(spec);
  const runner = await StepRunner.create({ program, columns, seed: 0n, batchSize: 1 });
  try {
    runner.train(0, new Uint8Array(rowBytes(columns)), 1);
  } catch (error) {
    // Zeros are no rows of the dataset: that they have no result says nothing about the Program.
    if (!(error instanceof UndefinedStepError)) throw error;
  } finally {
    runner.dispose();
  }
}
