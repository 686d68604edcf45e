import type { BenchRow } from './bench-row.ts';
import { exactFigures } from './exact-figures.ts';

/** The same with two threads: a process of its own, because TensorFlow and the native kernels fix theirs once. */
export function run(): Promise<BenchRow[]> {
  return exactFigures(2);
}
