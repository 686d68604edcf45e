import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type AvailabilityWindow,
  availabilityWindowSchema,
  isAvailable,
  nextChange,
  weekdays,
} from './availability.ts';

const window = (changes: Partial<AvailabilityWindow> = {}): AvailabilityWindow => ({
  days: [...weekdays],
  start: '22:00',
  durationMinutes: 480,
  timeZone: 'Europe/Berlin',
  ...changes,
});
const at = (iso: string): Date => new Date(iso);

describe('availability', () => {
  it.each([
    ['before it opens', '2026-06-10T19:59:59Z', false],
    ['when it opens', '2026-06-10T20:00:00Z', true],
    ['after midnight', '2026-06-11T02:00:00Z', true],
    ['just before it closes', '2026-06-11T03:59:59Z', true],
    ['when it closes', '2026-06-11T04:00:00Z', false],
  ])('of an overnight window %s', (_, time, open) => {
    expect(isAvailable([window()], at(time))).toBe(open);
  });

  it('belongs to the day on which it opens, in the window’s zone', () => {
    const friday = [window({ days: ['fri'] })];
    expect(isAvailable(friday, at('2026-06-12T23:00:00Z'))).toBe(true);
    expect(isAvailable(friday, at('2026-06-13T03:00:00Z'))).toBe(true);
    expect(isAvailable(friday, at('2026-06-13T23:00:00Z'))).toBe(false);
    // 20:30 in New York on Friday is Saturday in UTC.
    const evening = [window({ days: ['fri'], start: '20:30', durationMinutes: 60, timeZone: 'America/New_York' })];
    expect(isAvailable(evening, at('2026-06-13T00:45:00Z'))).toBe(true);
    expect(isAvailable(evening, at('2026-06-12T00:45:00Z'))).toBe(false);
  });

  it('is permanent without windows', () => {
    expect(isAvailable([], at('2026-01-01T00:00:00Z'))).toBe(true);
    expect(nextChange([], at('2026-01-01T00:00:00Z'))).toBeNull();
  });

  // Clocks in Berlin: 2026-03-29 02:00 -> 03:00, 2026-10-25 03:00 -> 02:00; in New York: 2026-03-08 and 2026-11-01.
  it.each([
    [
      'opens at the same wall-clock time after the change in spring',
      window(),
      '2026-03-29T20:00:00Z',
      '2026-03-29T19:59:59Z',
    ],
    ['opens at the same wall-clock time before it', window(), '2026-03-28T21:00:00Z', '2026-03-28T20:59:59Z'],
    [
      'opens at the same wall-clock time after the change in autumn',
      window(),
      '2026-10-25T21:00:00Z',
      '2026-10-25T20:59:59Z',
    ],
    ['opens as far after a skipped hour', window({ start: '02:30' }), '2026-03-29T01:30:00Z', '2026-03-29T01:29:59Z'],
    [
      'opens the first time that a repeated hour is shown',
      window({ start: '02:30', durationMinutes: 30 }),
      '2026-10-25T00:30:00Z',
      '2026-10-25T00:29:59Z',
    ],
    [
      'opens in New York after the change in spring',
      window({ start: '09:00', timeZone: 'America/New_York' }),
      '2026-03-08T13:00:00Z',
      '2026-03-08T12:59:59Z',
    ],
    [
      'opens in New York as far after a skipped hour',
      window({ start: '02:15', timeZone: 'America/New_York' }),
      '2026-03-08T07:15:00Z',
      '2026-03-08T07:14:59Z',
    ],
    [
      'opens in New York the first time a repeated hour is shown',
      window({ start: '01:30', durationMinutes: 30, timeZone: 'America/New_York' }),
      '2026-11-01T05:30:00Z',
      '2026-11-01T05:29:59Z',
    ],
  ])('%s', (_, open, time, before) => {
    expect([isAvailable([open], at(before)), isAvailable([open], at(time))]).toEqual([false, true]);
    expect(nextChange([open], at(before))?.toISOString()).toBe(time.replace('Z', '.000Z'));
  });

  it.each([
    ['spring', '2026-03-28T21:00:00Z', '2026-03-29T05:00:00.000Z'],
    ['autumn', '2026-10-24T20:00:00Z', '2026-10-25T04:00:00.000Z'],
  ])('lasts its elapsed minutes over the change in %s', (_, opens, closes) => {
    expect(nextChange([window()], at(opens))?.toISOString()).toBe(closes);
  });

  it('does not open a second time in the repeated hour', () => {
    const half = [window({ start: '02:30', durationMinutes: 30 })];
    expect(isAvailable(half, at('2026-10-25T01:30:00Z'))).toBe(false);
  });

  it('joins windows that overlap or touch', () => {
    const windows = [
      window({ start: '08:00', durationMinutes: 60 }),
      window({ start: '09:00', durationMinutes: 60 }),
      window({ start: '09:30', durationMinutes: 90 }),
    ];
    expect(nextChange(windows, at('2026-06-10T06:10:00Z'))?.toISOString()).toBe('2026-06-10T09:00:00.000Z');
  });

  it('finds the next week’s window and a window of a whole week', () => {
    expect(nextChange([window({ days: ['wed'] })], at('2026-06-11T10:00:00Z'))?.toISOString()).toBe(
      '2026-06-17T20:00:00.000Z',
    );
    const week = [window({ days: ['mon'], start: '00:00', durationMinutes: 10_080, timeZone: 'UTC' })];
    expect(nextChange(week, at('2026-06-11T10:00:00Z'))).toBeNull();
    expect(isAvailable(week, at('2026-06-14T23:59:59Z'))).toBe(true);
  });

  it('changes at nextChange and not before it', () => {
    const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC'];
    const arbitraryWindow = fc.record({
      days: fc.uniqueArray(fc.constantFrom(...weekdays), { minLength: 1, maxLength: 7 }),
      start: fc
        .tuple(fc.nat(23), fc.nat(59))
        .map(([h, m]) => `${String(h).padStart(2, '0')}:${String(m).padStart(2, '0')}`),
      durationMinutes: fc.integer({ min: 1, max: 2_000 }),
      timeZone: fc.constantFrom(...zones),
    });
    const time = fc.date({ min: at('2026-01-01T00:00:00Z'), max: at('2027-01-01T00:00:00Z'), noInvalidDate: true });
    fc.assert(
      fc.property(
        fc.array(arbitraryWindow, { minLength: 1, maxLength: 3 }),
        time,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (windows, now, part) => {
          const change = nextChange(windows, now);
          if (change === null) return;
          const open = isAvailable(windows, now);
          expect(change.getTime()).toBeGreaterThan(now.getTime());
          expect(isAvailable(windows, change)).toBe(!open);
          expect(isAvailable(windows, new Date(change.getTime() - 1))).toBe(open);
          expect(isAvailable(windows, new Date(now.getTime() + (change.getTime() - 1 - now.getTime()) * part))).toBe(
            open,
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it.each([
    { timeZone: 'Europe/Atlantis' },
    { timeZone: '' },
    { start: '24:00' },
    { start: '9:00' },
    { durationMinutes: 0 },
    { durationMinutes: 10_081 },
    { days: [] },
  ])('refuses %p', (changes) => {
    expect(availabilityWindowSchema.safeParse({ ...window(), ...changes }).success).toBe(false);
    expect(availabilityWindowSchema.safeParse(window()).success).toBe(true);
  });
});
