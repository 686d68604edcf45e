import { type AvailabilityWindow, isAvailable, nextChange } from '@cotrain/protocol';

/** Most changes that are computed ahead; a pool's hours change at most a few times a day. */
const maxChanges = 2_000;

/** When a pool is open within a span of time: computed once, then asked by bisection. */
export class OpenHours {
  /** Ascending times in seconds at which availability changes; it is `openAtStart` before the first. */
  private readonly changes: number[] = [];
  private readonly openAtStart: boolean;

  constructor(windows: readonly AvailabilityWindow[], fromSeconds: number, untilSeconds: number) {
    let at = new Date(fromSeconds * 1_000);
    this.openAtStart = isAvailable(windows, at);
    while (this.changes.length < maxChanges && at.getTime() <= untilSeconds * 1_000) {
      const next = nextChange(windows, at);
      if (next === null) break;
      this.changes.push(next.getTime() / 1_000);
      at = next;
    }
  }

  /** The time at which the hours that contain `seconds` end, or null when the pool is closed then. */
  openUntil(seconds: number): number | null {
    let low = 0;
    let high = this.changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.changes[middle] ?? Infinity) <= seconds) low = middle + 1;
      else high = middle;
    }
    const open = low % 2 === 0 ? this.openAtStart : !this.openAtStart;
    return open ? (this.changes[low] ?? Infinity) : null;
  }
}

/**
 * Seconds that a job has between its latest start and the time by which it must be finished: its training window, or
 * less when the pool closes before. Null when the pool is closed at its earliest start.
 */
export function limitSeconds(
  job: { startsFrom: number; startsBy: number; trainingWindow: number },
  hours: Pick<OpenHours, 'openUntil'>,
): number | null {
  const until = hours.openUntil(job.startsFrom);
  return until === null ? null : Math.min(job.trainingWindow, until - job.startsBy);
}
