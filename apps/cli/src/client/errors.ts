import { ProtocolError } from '@cotrain/protocol';
import { NotFoundError } from '@cotrain/swarm';

/** Exit codes that scripts can rely on. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  unavailable: 4,
  verificationFailed: 5,
  forbidden: 6,
  /** 128 + SIGINT, as shells have it. */
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** An error that the command line explains in one sentence and ends with a code of its own. */
export class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    readonly exitCode: ExitCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Errors of libs/training that say of a program or its dataset that they are wrong. */
const wrongJobs = new Set(['UnsupportedProgramError', 'ProgramTooLargeError', 'InvalidJobError', 'KernelMissingError']);

/** What the command line says and returns for an error of any part; null for one that nobody foresaw. */
export function explain(error: unknown): { exitCode: ExitCode; message: string } | null {
  if (!(error instanceof Error)) return null;
  const { message } = error;
  if (error instanceof CommandError) return { exitCode: error.exitCode, message };
  if (error instanceof NotFoundError) return { exitCode: exitCodes.notFound, message };
  // By name: their classes come with TensorFlow, which most commands need not load.
  if (error instanceof ProtocolError || wrongJobs.has(error.name)) return { exitCode: exitCodes.usage, message };
  // Every library's errors say whether the same call may succeed later.
  const { retryable } = error as { retryable?: unknown };
  if (typeof retryable !== 'boolean') return null;
  return { exitCode: retryable ? exitCodes.unavailable : exitCodes.failure, message };
}
