import { type AvailabilityWindow, availabilityWindowSchema, weekdays } from '@cotrain/protocol';
import { InvalidArgumentError } from 'commander';

const dayGroups: Readonly<Record<string, readonly string[]>> = {
  daily: weekdays,
  weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'],
  weekends: ['sat', 'sun'],
};

/**
 * Reads hours such as `weekdays@22:00+480@Europe/Berlin`: days, start, minutes, time zone. Days are names such as
 * `mon,tue` or `daily`, `weekdays`, `weekends`. May be repeated.
 */
export function hours(text: string, all: AvailabilityWindow[] = []): AvailabilityWindow[] {
  const parts = /^([a-z,]+)@([^+@]+)\+(\d{1,6})@(.+)$/.exec(text);
  if (parts === null)
    throw new InvalidArgumentError('Write DAYS@HH:MM+MINUTES@ZONE, such as weekends@00:00+1440@Europe/Berlin.');
  const [, days = '', start, minutes, timeZone] = parts;
  const parsed = availabilityWindowSchema.safeParse({
    days: [...new Set(days.split(',').flatMap((day) => dayGroups[day] ?? [day]))],
    start,
    durationMinutes: Number(minutes),
    timeZone,
  });
  if (parsed.success) return [...all, parsed.data];
  const issue = parsed.error.issues[0];
  const names: Record<string, string> = { days: 'DAYS', start: 'HH:MM', durationMinutes: 'MINUTES', timeZone: 'ZONE' };
  throw new InvalidArgumentError(
    `${names[String(issue?.path[0])] ?? 'A part'}: ${issue?.message ?? 'is wrong'}. Write for example weekends@00:00+1440@Europe/Berlin.`,
  );
}
