import type { BenchRow } from './bench-row.ts';
import { exactFigures } from './exact-figures.ts';

/** Products and training steps with one thread. */
export function run(): Promise<BenchRow[]> {
  return exactFigures(1);
}
