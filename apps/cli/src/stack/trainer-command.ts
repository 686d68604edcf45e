import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Command that runs the trainer in a process of its own. */
export function trainerCommand(): string[] {
  const require = createRequire(import.meta.url);
  return [process.execPath, join(dirname(require.resolve('@cotrain/trainer')), 'main.js')];
}
