// The module's surface. JavaScript writes a job's arguments behind the control block and runs it; large jobs are shared
// with worker threads, each of which has an instance of this module over the same memory.
import { runKind } from './kinds';
import { control, heap, serve as serveJobs, share as shareJob, stop as stopJobs } from './job';

export { configure, dotOfFours } from './format';

export function controlAddress(): usize {
  return control;
}

export function heapAddress(): usize {
  return heap;
}

/** All of a job, on this thread. */
export function run(kind: i32, units: i32): void {
  runKind(kind, 0, units, 0);
}

export function share(kind: i32, units: i32, chunk: i32, maySleep: bool): void {
  if (ASC_FEATURE_THREADS) shareJob(runKind, kind, units, chunk, maySleep);
}

export function serve(thread: i32): void {
  if (ASC_FEATURE_THREADS) serveJobs(runKind, thread);
}

export function stop(): void {
  if (ASC_FEATURE_THREADS) stopJobs();
}

/** Zeros; JavaScript's own `fill` goes through shared memory element by element. */
export function clear(address: usize, bytes: usize): void {
  memory.fill(address, 0, bytes);
}
