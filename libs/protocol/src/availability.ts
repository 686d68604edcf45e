import { z } from 'zod';

/** Days of the week, as windows name them. */
export const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

const minutesOfDay = 1_440;

export const availabilityWindowSchema = z.strictObject({
  days: z.array(z.enum(weekdays)).min(1).max(7),
  /** Wall-clock time in `timeZone`. */
  start: z.string().regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, 'must be HH:MM'),
  /** Length in elapsed minutes, up to a week; it may run past midnight. */
  durationMinutes: z
    .number()
    .int()
    .min(1)
    .max(7 * minutesOfDay),
  timeZone: z.string().max(64).refine(isTimeZone, 'must be an IANA time zone such as Europe/Berlin'),
});

/** Recurring hours in which a pool takes work. */
export type AvailabilityWindow = z.infer<typeof availabilityWindowSchema>;

/** A pool without windows is always available. */
export function isAvailable(windows: readonly AvailabilityWindow[], at: Date): boolean {
  return windows.length === 0 || windows.some((window) => openUntil(window, at.getTime()) !== null);
}

/**
 * When availability changes next, or null if it never does within `horizonDays`.
 * Overlapping and adjoining windows count as one.
 */
export function nextChange(windows: readonly AvailabilityWindow[], at: Date, horizonDays = 15): Date | null {
  if (windows.length === 0) return null;
  const now = at.getTime();
  const horizon = now + horizonDays * 86_400_000;
  if (isAvailable(windows, at)) {
    let end = now;
    // Each pass reaches at least one window's end, and windows begin at most once a day.
    for (let pass = 0; pass < windows.length * (horizonDays + 8) && end < horizon; pass++) {
      const later = Math.max(...windows.map((window) => openUntil(window, end) ?? 0));
      if (later <= end) return new Date(end);
      end = later;
    }
    return end < horizon ? new Date(end) : null;
  }
  const starts = windows.flatMap((window) => startsAround(window, now, horizonDays)).filter((start) => start > now);
  return starts.length === 0 ? null : new Date(Math.min(...starts));
}

/** The latest end of the window's occurrences that contain `time`, or null. */
function openUntil(window: AvailabilityWindow, time: number): number | null {
  const length = window.durationMinutes * 60_000;
  const ends = startsAround(window, time, 1)
    .filter((start) => start <= time && time < start + length)
    .map((start) => start + length);
  return ends.length === 0 ? null : Math.max(...ends);
}

/** Instants at which the window opens, from eight days before `time` (the longest window) to `daysAhead` after. */
function startsAround(window: AvailabilityWindow, time: number, daysAhead: number): number[] {
  const [hours = 0, minutes = 0] = window.start.split(':').map(Number);
  const starts: number[] = [];
  const local = wallClock(time, window.timeZone);
  for (let day = -8; day <= daysAhead + 1; day++) {
    const wall = Date.UTC(local.year, local.month - 1, local.day + day, hours, minutes);
    const weekday = weekdays[new Date(wall).getUTCDay()];
    if (weekday !== undefined && window.days.includes(weekday)) starts.push(instantOf(wall, window.timeZone));
  }
  return starts;
}

/**
 * The instant at which a zone's clocks show `wall` (given as if it were UTC). A time that clocks skip in spring means
 * the instant as far after the gap; one that they show twice in autumn means the first.
 */
function instantOf(wall: number, timeZone: string): number {
  const before = zoneOffset(wall - 86_400_000, timeZone);
  const after = zoneOffset(wall + 86_400_000, timeZone);
  const early = wall - Math.max(before, after);
  const late = wall - Math.min(before, after);
  if (zoneOffset(early, timeZone) === wall - early) return early;
  if (zoneOffset(late, timeZone) === wall - late) return late;
  return wall - before;
}

function zoneOffset(time: number, timeZone: string): number {
  const { year, month, day, hour, minute, second } = wallClock(time, timeZone);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(time / 1000) * 1000;
}

interface WallClock {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(timeZone: string): Intl.DateTimeFormat {
  let found = formatters.get(timeZone);
  if (found === undefined) {
    // There are some 600 zones with aliases; windows come from outside, so the cache is bounded all the same.
    if (formatters.size >= 1_024) formatters.clear();
    found = new Intl.DateTimeFormat('en-US-u-ca-gregory', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formatters.set(timeZone, found);
  }
  return found;
}

function wallClock(time: number, timeZone: string): WallClock {
  const parts = Object.fromEntries(
    formatter(timeZone)
      .formatToParts(time)
      .map(({ type, value }) => [type, Number(value)]),
  );
  return parts as unknown as WallClock;
}

function isTimeZone(name: string): boolean {
  try {
    formatter(name);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
