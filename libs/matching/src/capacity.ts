import type { MatchPool, MatchReservation } from './types.ts';

/** What jobs that run at the same time share. */
type Resources = Pick<MatchPool, 'gpuCount' | 'cpuMilli' | 'memoryMiB'>;

/**
 * What a pool has promised, in figures that one more job can be tested against, and added to, in O(1): however much a
 * pool has promised, a decision about it needs no more than these.
 *
 * The model: a pool has `slots` (its GPUs; a pool without GPUs runs one job at a time), to each belongs an equal share
 * of its processors and memory, and it starts a waiting job as soon as enough of them are free. While a job that needs `n` slots waits, at least `slots - n + 1` are busy with others,
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

/**
 * Slots of a pool that a job occupies: its GPUs, or the shares that its processors or memory come to, if those are more.
 * So jobs that run side by side never take more of anything than there is. One that needs no GPU occupies one all the
 * same.
 */
export function slotsFor(job: Resources, pool: Resources): number {
  const slots = slotsOf(pool);
  return Math.max(
    1,
    job.gpuCount,
    sharesFor(job.cpuMilli, pool.cpuMilli, slots),
    sharesFor(job.memoryMiB, pool.memoryMiB, slots),
  );
}

function sharesFor(needed: number, available: number, slots: number): number {
  return available > 0 ? Math.ceil((needed * slots) / available) : 0;
}

/** Seconds that a job runs. */
export function durationOf(job: { gpuCount: number; gpuSeconds: number }): number {
  return job.gpuSeconds / Math.max(1, job.gpuCount);
}

function slotSecondsOf(job: MatchReservation): number {
  return durationOf(job) * job.slots;
}

/** The load with one more job. */
export function loadWith(load: PoolLoad, job: MatchReservation, slots: number): PoolLoad {
  return {
    jobs: load.jobs + 1,
    promisedSlots: load.promisedSlots + job.slots,
    promisedSlotSeconds: load.promisedSlotSeconds + slotSecondsOf(job),
    // The others can bear less by this job; this one can bear what it could alone, less the others.
    spareSlotSeconds: Math.min(
      load.spareSlotSeconds - slotSecondsOf(job),
      bearable(job, slots) - load.promisedSlotSeconds,
    ),
  };
}

/** Sums up what a pool has promised. */
export function loadOf(pool: Pick<MatchPool, 'gpuCount'>, reservations: readonly MatchReservation[]): PoolLoad {
  const slots = slotsOf(pool);
  return reservations.reduce((load, job) => loadWith(load, job, slots), idle);
}

/** Slot-seconds of other jobs that a job can wait for and still be in time. */
function bearable(job: MatchReservation, slots: number): number {
  return (job.limitSeconds - durationOf(job)) * (slots - job.slots + 1);
}

/** Can the pool finish this job and everything that it has promised in time, in whatever order they are awarded? */
export function hasRoom(load: PoolLoad, job: MatchReservation, slots: number): boolean {
  if (load.promisedSlots + job.slots <= slots) return true; // nobody waits for anybody
  return load.promisedSlotSeconds <= bearable(job, slots) && slotSecondsOf(job) <= load.spareSlotSeconds;
}
