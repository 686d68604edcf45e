import { readFileSync } from 'node:fs';
import { CommandError, exitCodes } from './errors.ts';

/** The value of a JSON file that a flag names. @throws CommandError with exit code 2 */
export function readJson(file: string, flag: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(exitCodes.usage, `${flag} is ${file}, which is no readable JSON file: ${reason}`, { cause });
  }
}
