import type { MatchPool, MatchReservation } from './types.ts';

/**
 * What a pool has promised, in figures that one more job can be tested against, and added to, in O(1): however much a
 * pool has promised, a decision about it needs no more than these.
 *
 * The model: a pool has `slots` (its GPUs; a pool without GPUs runs one job at a time) and starts a waiting job as soon
 * as enough of them are free. While a job that needs `n` slots waits, at least `slots - n + 1` are busy with others,
 * so it waits at most for the others' slot-seconds divided by that, whatever the order in which the awards come.
 */
export interface PoolLoad {
  /** Bids and jobs that hold capacity. */
  jobs: number;
  /** Slots that all promised jobs need at once. */
  promisedSlots: number;
  promisedSlotSeconds: number;
  /** Slot-seconds of further work that every promised job can bear and still be in time; Infinity without any. */
  spareSlotSeconds: number;
}

/** A pool that has promised nothing. */
export const idle: PoolLoad = { jobs: 0, promisedSlots: 0, promisedSlotSeconds: 0, spareSlotSeconds: Infinity };

/** Slots that a pool has. */
export function slotsOf(pool: Pick<MatchPool, 'gpuCount'>): number {
  return Math.max(1, pool.gpuCount);
}

/** Slots that a job occupies; one that needs no GPU occupies one all the same. */
export function slotsFor(job: { gpuCount: number }): number {
  return Math.max(1, job.gpuCount);
}

/** Seconds that a job runs on its slots. */
export function durationOf(job: { gpuCount: number; gpuSeconds: number }): number {
  return job.gpuSeconds / slotsFor(job);
}

/** The load with one more job. */
export function loadWith(load: PoolLoad, job: MatchReservation, slots: number): PoolLoad {
  return {
    jobs: load.jobs + 1,
    promisedSlots: load.promisedSlots + slotsFor(job),
    promisedSlotSeconds: load.promisedSlotSeconds + job.gpuSeconds,
    // The others can bear less by this job; this one can bear what it could alone, less the others.
    spareSlotSeconds: Math.min(load.spareSlotSeconds - job.gpuSeconds, bearable(job, slots) - load.promisedSlotSeconds),
  };
}

/** Sums up what a pool has promised. */
export function loadOf(pool: Pick<MatchPool, 'gpuCount'>, reservations: readonly MatchReservation[]): PoolLoad {
  const slots = slotsOf(pool);
  return reservations.reduce((load, job) => loadWith(load, job, slots), idle);
}

/** Slot-seconds of other jobs that a job can wait for and still be in time. */
function bearable(job: MatchReservation, slots: number): number {
  return (job.limitSeconds - durationOf(job)) * (slots - slotsFor(job) + 1);
}

/** Can the pool finish this job and everything that it has promised in time, in whatever order they are awarded? */
export function hasRoom(load: PoolLoad, job: MatchReservation, slots: number): boolean {
  if (load.promisedSlots + slotsFor(job) <= slots) return true; // nobody waits for anybody
  return load.promisedSlotSeconds <= bearable(job, slots) && job.gpuSeconds <= load.spareSlotSeconds;
}
