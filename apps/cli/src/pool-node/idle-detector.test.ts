import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { IdleDetector } from './idle-detector.ts';
import { MachineLoad, type ProcessorTimes, readProcessorTimes } from './machine-load.ts';

describe('the idle detector', () => {
  it('takes a machine for idle only after it has been quiet for a while, and for busy at once', () => {
    const detector = new IdleDetector({ idleAfterMs: 10_000, maxLoad: 0.5 });
    const seen = [
      [0.1, 0],
      [0.1, 5_000],
      [0.9, 8_000],
      [0.1, 9_000],
      [0.1, 18_999],
      [0.5, 19_000],
      [0.51, 20_000],
      [0.1, 21_000],
    ].map(([load = 0, nowMs = 0]) => detector.observe(load, nowMs));
    expect(seen).toEqual([false, false, false, false, false, true, false, false]);
  });

  it('is never idle within the time after a busy moment', () => {
    const samples = fc.array(fc.record({ load: fc.double({ min: 0, max: 1, noNaN: true }), waitMs: fc.nat(5_000) }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(samples, (all) => {
        const detector = new IdleDetector({ idleAfterMs: 6_000, maxLoad: 0.3 });
        let nowMs = 0;
        let busyAtMs = 0;
        for (const { load, waitMs } of all) {
          nowMs += waitMs;
          if (load > 0.3) busyAtMs = nowMs;
          if (detector.observe(load, nowMs)) expect(nowMs - busyAtMs).toBeGreaterThanOrEqual(6_000);
        }
      }),
    );
  });
});

describe('the load of a machine', () => {
  function loads(...times: ProcessorTimes[]): number[] {
    let index = 0;
    const load = new MachineLoad(() => times[index++] ?? { busyMs: 0, totalMs: 0, ownMs: 0 });
    return times.slice(1).map(() => load.sample());
  }

  it('is what others use of the processors', () => {
    expect(
      loads(
        { busyMs: 0, totalMs: 0, ownMs: 0 },
        { busyMs: 500, totalMs: 1_000, ownMs: 0 },
        { busyMs: 1_300, totalMs: 2_000, ownMs: 600 },
      ),
    ).toEqual([0.5, 0.2]);
  });

  it('stays between 0 and 1 when a job ends or the clock does not move', () => {
    expect(
      loads(
        { busyMs: 0, totalMs: 0, ownMs: 900 },
        { busyMs: 1_000, totalMs: 1_000, ownMs: 0 },
        { busyMs: 1_000, totalMs: 1_000, ownMs: 0 },
        { busyMs: 1_100, totalMs: 2_000, ownMs: 700 },
      ),
    ).toEqual([1, 0, 0]);
  });

  it('does not count the work of this process as that of others', () => {
    const before = readProcessorTimes();
    const end = performance.now() + 300;
    while (performance.now() < end) Math.sqrt(end);
    const after = readProcessorTimes();
    expect(after.totalMs).toBeGreaterThan(before.totalMs);
    if (process.platform === 'linux') expect(after.ownMs - before.ownMs).toBeGreaterThanOrEqual(50);
  });
});
