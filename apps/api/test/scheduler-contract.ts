import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ScheduledJob, Scheduler } from '../src/scheduling/scheduler.ts';

/** What the table says of a job. */
export interface ObservedJob {
  state: string;
  attempts: number;
  failure: string | null;
  logReference: string | null;
  checkpointReference: string | null;
}

/** How a trainer behaves when it is started for the n-th time (from 1). */
export type Behaviour =
  | 'finish'
  | 'run'
  | 'crash'
  | 'refuse'
  | 'crash once'
  | 'talk nonsense'
  /** Five times told to try again later, then it finishes. */
  | 'wait'
  /** Publishes its log (seven repeated) and goes on; it finishes at once, with that log, when it is told to resume from it. */
  | 'checkpoint';

/** One kind of scheduler with everything around it. */
export interface SchedulerHarness {
  /** A replica; several share jobs. */
  start(replica: string): Scheduler;
  job(behaviour: Behaviour, changes?: Partial<ScheduledJob>): ScheduledJob;
  observe(name: string): Promise<ObservedJob | null>;
  /** How many trainers work on the job at this moment. */
  workers(name: string): Promise<number>;
  /** Ends the job's worker as a crash does. */
  killWorker(name: string): Promise<void>;
  /** Takes away all that a worker has on disk, as when its machine is lost. */
  loseDisk(name: string): Promise<void>;
  until(what: string, ask: () => Promise<boolean>): Promise<void>;
  close(): Promise<void>;
}

/** What every scheduler must do, whatever runs the jobs. */
export function schedulerContract(name: string, createHarness: () => Promise<SchedulerHarness>): void {
  describe(`${name} keeps the scheduler's contract`, () => {
    let harness: SchedulerHarness;
    let scheduler: Scheduler;
    beforeEach(async () => {
      harness = await createHarness();
      scheduler = harness.start('first');
    });
    afterEach(async () => {
      await scheduler.close();
      await harness.close();
    });
    // Ensured again and again, as the engine does: on a slow machine the lease may have run out.
    const reaches = (job: ScheduledJob, state: string): Promise<void> =>
      harness.until(`${job.name} to be ${state}`, async () => {
        await scheduler.ensure(job);
        return (await harness.observe(job.name))?.state === state;
      });
    const runs = (job: ScheduledJob): Promise<void> =>
      harness.until(`${job.name} to have a worker`, async () => (await harness.workers(job.name)) === 1);

    test('a job runs until it is done, and its references are there', async () => {
      const job = harness.job('finish');
      await scheduler.ensure(job);
      await reaches(job, 'done');
      expect(await harness.observe(job.name)).toMatchObject({
        attempts: 1,
        failure: null,
        logReference: `0x${'1'.repeat(64)}`,
      });
    });

    test('ensuring it ten times at once, and again when it is done, runs it once', async () => {
      const job = harness.job('finish');
      await Promise.all(Array.from({ length: 10 }, () => scheduler.ensure(job)));
      await reaches(job, 'done');
      await scheduler.ensure(job);
      expect(await harness.observe(job.name)).toMatchObject({ state: 'done', attempts: 1 });
      expect(await harness.workers(job.name)).toBe(0);
    });

    test('a worker that is killed is started again', async () => {
      const job = harness.job('run');
      await scheduler.ensure(job);
      await runs(job);
      await harness.killWorker(job.name);
      await harness.until('a second attempt', async () => (await harness.observe(job.name))?.attempts === 2);
      await runs(job);
      expect((await harness.observe(job.name))?.state).toBe('running');
    });

    test('a failure that may pass is tried again, and the job is done', async () => {
      const job = harness.job('crash once');
      await scheduler.ensure(job);
      await reaches(job, 'done');
      expect((await harness.observe(job.name))?.attempts).toBe(2);
    });

    test('a job whose input is wrong fails at once, says why, and stays failed', async () => {
      const job = harness.job('refuse');
      await scheduler.ensure(job);
      await reaches(job, 'failed');
      await scheduler.ensure(job);
      expect(await harness.observe(job.name)).toMatchObject({ state: 'failed', attempts: 1 });
      expect((await harness.observe(job.name))?.failure).toBe('the header is no header');
    });

    test('a job that only crashes is given up after a bounded number of attempts', async () => {
      const job = harness.job('crash');
      await scheduler.ensure(job);
      await reaches(job, 'failed');
      expect((await harness.observe(job.name))?.attempts).toBe(3);
      expect((await harness.observe(job.name))?.failure).toContain('out of memory');
    });

    test('a job that has to wait for something is never given up for it', async () => {
      const job = harness.job('wait');
      await scheduler.ensure(job);
      await reaches(job, 'done');
      expect(await harness.observe(job.name)).toMatchObject({ attempts: 6, failure: null });
    });

    test('a job whose disk is lost goes on from the log that it has published', async () => {
      const job = harness.job('checkpoint');
      const published = `0x${'7'.repeat(64)}`;
      await scheduler.ensure(job);
      await harness.until('a checkpoint', async () => {
        return (await harness.observe(job.name))?.checkpointReference === published;
      });
      await harness.loseDisk(job.name);
      await harness.killWorker(job.name);
      await reaches(job, 'done');
      expect(await harness.observe(job.name)).toMatchObject({ attempts: 2, logReference: published });
    });

    test('a result that turns out to be none fails the job for good', async () => {
      const job = harness.job('finish');
      await scheduler.ensure(job);
      await reaches(job, 'done');
      await scheduler.fail(job.name, 'The log is\0 empty.');
      await scheduler.ensure(job);
      expect(await harness.observe(job.name)).toMatchObject({
        state: 'failed',
        failure: 'The log is empty.',
        logReference: null,
      });
    });

    test('only what is done can turn out to be no result', async () => {
      const job = harness.job('run');
      await scheduler.ensure(job);
      await runs(job);
      await scheduler.fail(job.name, 'nonsense');
      expect(await harness.observe(job.name)).toMatchObject({ state: 'running', failure: null });
      expect(await harness.workers(job.name)).toBe(1);
    });

    test('a worker that claims to be done with references that are none has failed', async () => {
      const job = harness.job('talk nonsense');
      await scheduler.ensure(job);
      await reaches(job, 'failed');
    });

    test('stopping ends the worker; ensuring it again goes on', async () => {
      const job = harness.job('run');
      await scheduler.ensure(job);
      await runs(job);
      await scheduler.stop(job.name);
      expect(await harness.workers(job.name)).toBe(0);
      expect((await harness.observe(job.name))?.state).toBe('stopped');
      await scheduler.stop(job.name);
      await scheduler.ensure(job);
      await runs(job);
    });

    test('stopping a job that is done takes its result back', async () => {
      const job = harness.job('finish');
      await scheduler.ensure(job);
      await reaches(job, 'done');
      await scheduler.stop(job.name);
      expect(await harness.observe(job.name)).toMatchObject({ state: 'stopped', logReference: null });
    });

    test('stopping a job that nobody knows is no error', async () => {
      await scheduler.stop('job-00000000-404');
      expect(await harness.observe('job-00000000-404')).toBeNull();
    });

    test('of two replicas one runs the job, and the other can stop it', async () => {
      const other = harness.start('second');
      const job = harness.job('run');
      await Promise.all([scheduler.ensure(job), other.ensure(job)]);
      await runs(job);
      await other.ensure(job);
      expect(await harness.workers(job.name)).toBe(1);
      expect((await harness.observe(job.name))?.attempts).toBe(1);
      await Promise.all([scheduler.stop(job.name), other.stop(job.name)]);
      await harness.until('the worker to end', async () => (await harness.workers(job.name)) === 0);
      await other.close();
    });

    test('closing ends the worker, and another replica goes on at once', async () => {
      const job = harness.job('run');
      await scheduler.ensure(job);
      await runs(job);
      await scheduler.close();
      expect(await harness.workers(job.name)).toBe(0);
      expect((await harness.observe(job.name))?.state).toBe('running');
      const other = harness.start('second');
      await other.ensure(job);
      await runs(job);
      await other.close();
    });

    test("jobs of one pool wait for each other when the pool's slots are taken", async () => {
      const first = harness.job('run', { poolSlots: 2, slots: 2 });
      const second = harness.job('run', { poolSlots: 2, slots: 1 });
      await scheduler.ensure(first);
      await runs(first);
      await scheduler.ensure(second);
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(await harness.workers(second.name)).toBe(0);
      await scheduler.stop(first.name);
      await runs(second);
    });
  });
}
