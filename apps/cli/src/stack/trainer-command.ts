import { createRequire } from 'node:module';

/** Below everything that a person does at the machine. */
const lowPriority = 10;

/** Command that runs the trainer in a process of its own; with `background`, at low priority. */
export function trainerCommand({ background = false } = {}): string[] {
  const require = createRequire(import.meta.url);
  const command = [process.execPath, require.resolve('@cotrain/trainer/main.js')];
  return background && process.platform !== 'win32' ? ['nice', '-n', String(lowPriority), ...command] : command;
}
