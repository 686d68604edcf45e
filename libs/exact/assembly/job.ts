// A job is a piece of work cut into units; threads take chunks of consecutive units until none is left. Every unit writes
// its own part of the result, so that neither the number of threads nor their order can change a bit.
//
// The control block lies behind the module's constants, in memory that all instances share:
//   0 remaining chunks   4 finished chunks   8 signal   12 kind   16 units   20 units of a chunk   24 chunks   28 stop
//   64.. arguments

/** Address of the control block. Not a data segment: a thread that starts late must not clear it. */
export const control: usize = (__heap_base + 63) & ~63;
const jobArguments: usize = control + 64;
/** Where the memory that others may use begins. */
export const heap: usize = control + 1024;

const remaining: usize = control;
const finished: usize = control + 4;
const signal: usize = control + 8;
const kindAt: usize = control + 12;
const unitsAt: usize = control + 16;
const chunkAt: usize = control + 20;
const chunksAt: usize = control + 24;
const stopAt: usize = control + 28;

/** Looks before sleeping; a few microseconds, within which the next job of a training step often comes. */
const patience: i32 = 2000;

export function argument(index: i32): i32 {
  return load<i32>(jobArguments + ((<usize>index) << 2));
}

export function addressArgument(index: i32): usize {
  return load<usize>(jobArguments + ((<usize>index) << 2));
}

export function floatArgument(index: i32): f32 {
  return load<f32>(jobArguments + ((<usize>index) << 2));
}

/** Where argument `index` lies, for spreading a float over lanes. */
export function argumentAddress(index: i32): usize {
  return jobArguments + ((<usize>index) << 2);
}

export type Runner = (kind: i32, begin: i32, end: i32, thread: i32) => void;

/** Takes a chunk; -1 if none is left. Whoever takes one keeps the job alive until it is finished. */
function takeChunk(): i32 {
  let seen = atomic.load<i32>(remaining);
  while (seen > 0) {
    const found = atomic.cmpxchg<i32>(remaining, seen, seen - 1);
    if (found == seen) return seen - 1;
    seen = found;
  }
  return -1;
}

function runChunks(run: Runner, thread: i32): void {
  for (let chunk = takeChunk(); chunk >= 0; chunk = takeChunk()) {
    const size = load<i32>(chunkAt);
    const begin = chunk * size;
    run(load<i32>(kindAt), begin, min(begin + size, load<i32>(unitsAt)), thread);
    atomic.add<i32>(finished, 1);
    if (thread != 0) atomic.notify(finished, 1);
  }
}

/** Runs a job on this thread and on those that wait in `serve`. `maySleep` is false on a browser's main thread. */
export function share(run: Runner, kind: i32, units: i32, chunk: i32, maySleep: bool): void {
  const chunks = (units + chunk - 1) / chunk;
  store<i32>(kindAt, kind);
  store<i32>(unitsAt, units);
  store<i32>(chunkAt, chunk);
  store<i32>(chunksAt, chunks);
  atomic.store<i32>(finished, 0);
  atomic.store<i32>(remaining, chunks);
  atomic.add<i32>(signal, 1);
  atomic.notify(signal, -1);
  runChunks(run, 0);
  let looks = 0;
  for (let done = atomic.load<i32>(finished); done < chunks; done = atomic.load<i32>(finished)) {
    if (maySleep && ++looks > patience) atomic.wait<i32>(finished, done, -1);
  }
}

/** A worker thread's life: ends after `stop`. */
export function serve(run: Runner, thread: i32): void {
  while (atomic.load<i32>(stopAt) == 0) {
    const seen = atomic.load<i32>(signal);
    runChunks(run, thread);
    for (let looks = 0; looks < patience && atomic.load<i32>(signal) == seen; looks++);
    if (atomic.load<i32>(signal) == seen && atomic.load<i32>(stopAt) == 0) atomic.wait<i32>(signal, seen, -1);
  }
}

export function stop(): void {
  atomic.store<i32>(stopAt, 1);
  atomic.add<i32>(signal, 1);
  atomic.notify(signal, -1);
}
