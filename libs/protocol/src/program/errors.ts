import { ProtocolError } from '../errors.ts';

/** A step program that breaks a rule of docs/program-1.md. */
export class InvalidStepProgramError extends ProtocolError {
  constructor(
    /** Index of the operation; null for what is not in an operation's record. */
    readonly operation: number | null,
    /** Such as `operands[1].windows[0].limit`. */
    readonly field: string,
    readonly value: unknown,
    readonly reason: string,
  ) {
    const where = operation === null ? 'Program' : `Program, operation ${String(operation)}`;
    super(`${where}: ${field} is ${show(value)}; ${reason}.`);
  }
}

function show(value: unknown): string {
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) as string | undefined);
  return (text ?? String(value)).slice(0, 80);
}
