import { ExactMemoryError, type UnsupportedKernelError } from '@cotrain/exact';

/** Base of the trainer's refusals. `retryable` says whether the same call can succeed later. */
export class TrainerError extends Error {
  readonly retryable: boolean;

  constructor(message: string, options: ErrorOptions & { retryable?: boolean } = {}) {
    super(message, options);
    this.name = new.target.name;
    this.retryable = options.retryable ?? false;
  }
}

/** A Program that this trainer will not build: a class it does not know, or one whose result cannot be reproduced. */
export class UnsupportedProgramError extends TrainerError {}

/** A Program larger than a bound. */
export class ProgramTooLargeError extends TrainerError {
  readonly field: string;
  readonly value: number;
  readonly max: number;

  constructor(field: string, value: number, max: number) {
    super(`Program: ${field} is ${String(value)}; at most ${String(max)} is accepted. Make the model smaller.`);
    this.field = field;
    this.value = value;
    this.max = max;
  }
}

/** None of the backends that the job allows is installed here. */
export class BackendUnavailableError extends TrainerError {}

/** The backend lacks an operation that the Program needs. */
export class KernelMissingError extends TrainerError {
  readonly kernel: string;
  readonly backend: string;

  constructor(
    kernel: string,
    backend: string,
    { remedy = "list another backend, such as cpu, in the JobSpec's backends", ...options }: MissingOptions = {},
  ) {
    super(`The ${backend} backend has no kernel ${kernel}, which this Program needs: ${remedy}.`, options);
    this.kernel = kernel;
    this.backend = backend;
  }

  /** A kernel that exact/1 does not define, or not in this way. */
  static ofExact(cause: UnsupportedKernelError): KernelMissingError {
    const remedy = `use operations of docs/exact-1.md, or the runtime tfjs/1 (${cause.message})`;
    return new KernelMissingError(cause.kernel, 'exact', { remedy, cause });
  }
}

interface MissingOptions extends ErrorOptions {
  remedy?: string;
}

/** The documents of a job contradict each other or the data. */
export class InvalidJobError extends TrainerError {}

/**
 * This machine could not compute something that the job may well ask for: its memory is used up, or what computes failed.
 * It says nothing about the job.
 */
export class MachineFaultError extends TrainerError {
  constructor(cause: Error) {
    super(
      `This machine could not compute a step: ${cause.message.slice(0, 500)} Free memory and try again, or use another machine or implementation.`,
      { retryable: true, cause },
    );
  }

  /** An error as a fault of the machine, or null if it is none. */
  static of(cause: unknown): MachineFaultError | null {
    if (!(cause instanceof Error)) return null;
    const isFault =
      cause instanceof ExactMemoryError ||
      // A trap: kernels in WebAssembly have none on purpose. Known by its name, which is the same in every context.
      cause.name === 'RuntimeError' ||
      (cause as NodeJS.ErrnoException).code === 'EXACT_FAILURE' ||
      (cause.name === 'RangeError' && /allocation failed|could not allocate/i.test(cause.message));
    return isFault ? new MachineFaultError(cause) : null;
  }
}

/** The work directory holds another job's files. */
export class WorkdirInUseError extends TrainerError {}

/** Another trainer, perhaps a predecessor that has not ended yet, works in the work directory. */
export class WorkdirLockedError extends TrainerError {
  constructor(workdir: string) {
    super(`Another trainer works in ${workdir}: wait until it has ended, or choose another directory.`, {
      retryable: true,
    });
  }
}

/** Training was asked to stop; a checkpoint lets the same call continue. */
export class TrainingInterruptedError extends TrainerError {
  readonly step: number;

  constructor(step: number, options: ErrorOptions = {}) {
    super(`Training was interrupted after ${String(step)} steps; run it again with the same workdir to continue.`, {
      ...options,
      retryable: true,
    });
    this.step = step;
  }
}

/** What a job needs cannot be read from the store now. */
export class JobInputUnavailableError extends TrainerError {
  constructor(what: string, cause: unknown) {
    super(
      `${what} cannot be retrieved: ${cause instanceof Error ? cause.message : String(cause)} Check the store and try again.`,
      {
        retryable: true,
        cause,
      },
    );
  }
}
