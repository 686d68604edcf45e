import type { MatchOffer, MatchPool, MatchReservation } from './types.ts';

/**
 * What a pool has promised, in figures that one more job can be tested against in O(1).
 *
 * The model: a pool has `slots` (its GPUs; a pool without GPUs runs one job at a time) and starts a waiting job as soon
 * as enough of them are free. While a job that needs `n` slots waits, at least `slots - n + 1` are busy with others,
 * so it waits at most for the others' slot-seconds divided by that, whatever the order in which the awards come.
 */
export interface PoolLoad {
  slots: number;
  jobs: number;
  /** Slots that all promised jobs need at once. */
  promisedSlots: number;
  promisedSlotSeconds: number;
  /** Slot-seconds of further work that every promised job can bear and still be in time. */
  spareSlotSeconds: number;
}

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

/** Sums up what a pool has promised. O(reservations). */
export function loadOf(pool: Pick<MatchPool, 'gpuCount' | 'reservations'>): PoolLoad {
  const slots = slotsOf(pool);
  const load = { slots, jobs: pool.reservations.length, promisedSlots: 0, promisedSlotSeconds: 0 };
  for (const reservation of pool.reservations) {
    load.promisedSlots += slotsFor(reservation);
    load.promisedSlotSeconds += reservation.gpuSeconds;
  }
  let spareSlotSeconds = Infinity;
  for (const reservation of pool.reservations) {
    const others = load.promisedSlotSeconds - reservation.gpuSeconds;
    spareSlotSeconds = Math.min(spareSlotSeconds, bearable(reservation, slots) - others);
  }
  return { ...load, spareSlotSeconds };
}

/** Slot-seconds of other jobs that a job can wait for and still be in time. */
function bearable(job: Pick<MatchReservation, 'gpuCount' | 'gpuSeconds' | 'limitSeconds'>, slots: number): number {
  return (job.limitSeconds - durationOf(job)) * (slots - slotsFor(job) + 1);
}

/** Can the pool finish this job and everything that it has promised in time, in whatever order they are awarded? */
export function hasRoom(
  load: PoolLoad,
  job: Pick<MatchOffer, 'gpuCount' | 'gpuSeconds'> & { limitSeconds: number },
): boolean {
  if (load.promisedSlots + slotsFor(job) <= load.slots) return true; // nobody waits for anybody
  return load.promisedSlotSeconds <= bearable(job, load.slots) && job.gpuSeconds <= load.spareSlotSeconds;
}
