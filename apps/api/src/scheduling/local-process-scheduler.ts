import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@cotrain/chain';
import { formatHeaderJson, parseReference } from '@cotrain/protocol';
import { z } from 'zod';
import { Backoff } from '../bidding/backoff.ts';
import { acquireLease, assertLease, type Lease, LeaseLostError, releaseLease, renewLease } from '../bidding/lease.ts';
import type { Database } from '../database/database.ts';
import type { TrainingJob } from '../generated/prisma/client.ts';
import { publish } from '../indexing/outbox.ts';
import { type ProcessEnd, startJsonLinesProcess } from './json-lines-process.ts';
import { PoolSlots } from './pool-slots.ts';
import { batchMessage, ProgressRecorder } from './progress-recorder.ts';
import { type ScheduledJob, type Scheduler } from './scheduler.ts';
import { pidFileOf, takeWorkFolder } from './work-folder.ts';

export interface LocalProcessSchedulerOptions {
  database: Database;
  swarmUrl: string;
  /** Jobs keep their checkpoints below this folder. */
  workFolder: string;
  /** Command of the trainer, by the pool's name; `default` for the others. */
  trainerCommands: Record<string, readonly string[]> & { default: readonly string[] };
  logger: Logger;
  /** Unique among replicas. */
  replica?: string;
  /** Failures in a row, without a batch in between, after which a job is given up. To be told to wait is none. */
  maxFailures?: number;
  /** Pause after the first failure; it doubles up to 30 s. */
  firstPauseMs?: number;
  /** How long another replica waits for one that fell silent. */
  leaseMs?: number;
  /** How long a trainer may take to end by itself when it is stopped. */
  stopGraceMs?: number;
  /** How often progress is written and told, at most. */
  progressMs?: number;
}

const startMessage = z.object({ type: z.literal('start'), backend: z.string().regex(/^[\w.-]{1,40}$/) });
const checkpointMessage = z.object({
  type: z.literal('checkpoint'),
  logReference: z.string().regex(/^0x[0-9a-f]{64}$/),
});
const voidSegmentMessage = z.object({
  type: z.literal('void-segment'),
  segment: z.number(),
  step: z.number(),
  reason: z.string(),
});
const resultMessage = z.object({
  type: z.literal('result'),
  logReference: z.string(),
  modelReference: z.string(),
  testAccuracy: z.number().nullable(),
});
type Result = z.infer<typeof resultMessage>;
type JobChange = Parameters<Database['prisma']['trainingJob']['update']>[0]['data'];

/** Exit codes of the trainer: a restart cannot help; and what is in the way (store, disk, another trainer) will go. */
const terminalCode = 2;
const tryAgainCode = 3;
const maxFailureLength = 500;
const longestPauseMs = 30_000;
/** A job that another replica runs is not asked for again before this. */
const foreignMs = 5_000;

/** Why what runs here is to end: `stopped` is recorded, on `closing` and `lost` the job goes on elsewhere or later. */
type Ending = 'stopped' | 'closing' | 'lost';

class JobEndingError extends Error {
  constructor(readonly ending: Ending) {
    super(`the job is ending: ${ending}`);
  }
}

interface Running {
  stopping: AbortController;
  finished: Promise<void>;
}

/**
 * Runs each job as a child process of this machine and starts it again, from its checkpoint, when it dies. A lease for
 * each job in the database makes sure that of several replicas one runs it; a trainer that an earlier process left in
 * the work folder is ended first.
 */
export class LocalProcessScheduler implements Scheduler {
  private readonly options: Required<LocalProcessSchedulerOptions>;
  private readonly running = new Map<string, Running>();
  private readonly slots = new PoolSlots();
  private readonly foreign = new Backoff(foreignMs, foreignMs);
  private closed = false;

  constructor(options: LocalProcessSchedulerOptions) {
    this.options = {
      replica: randomUUID(),
      maxFailures: 20,
      firstPauseMs: 1_000,
      leaseMs: 15_000,
      stopGraceMs: 30_000,
      progressMs: 500,
      ...options,
    };
  }

  async ensure(job: ScheduledJob): Promise<void> {
    const { database, replica, leaseMs } = this.options;
    if (this.closed || this.running.has(job.name) || this.foreign.isWaiting(job.name)) return;
    const entry: Running = { stopping: new AbortController(), finished: Promise.resolve() };
    this.running.set(job.name, entry);
    try {
      const lease = await acquireLease(database, `job:${job.name}`, replica, leaseMs);
      if (lease === null) this.foreign.failed(job.name);
      if (lease === null || !(await this.begin(job, lease))) {
        this.running.delete(job.name);
        return;
      }
      entry.finished = this.run(job, entry, lease).finally(() => this.running.delete(job.name));
    } catch (error) {
      this.running.delete(job.name);
      throw error;
    }
  }

  async stop(name: string): Promise<void> {
    const entry = this.running.get(name);
    if (entry !== undefined) {
      entry.stopping.abort(new JobEndingError('stopped'));
      await entry.finished;
    }
    // Whoever runs it elsewhere sees the state with its next heartbeat.
    await this.takeBack(name, ['running', 'done'], { state: 'stopped' });
  }

  async fail(name: string, reason: string): Promise<void> {
    await this.takeBack(name, ['done'], { state: 'failed', failure: storable(reason) });
  }

  /** Withdraws what a job came to. */
  private async takeBack(name: string, from: string[], to: { state: string; failure?: string }): Promise<void> {
    await this.options.database.prisma.$transaction(async (tx) => {
      const { count } = await tx.trainingJob.updateMany({
        where: { name, state: { in: from } },
        data: { ...to, logReference: null, modelReference: null, testAccuracy: null },
      });
      const job = count === 0 ? null : await tx.trainingJob.findUnique({ where: { name }, select: { offerId: true } });
      if (job !== null) await publish(tx, 'job', job.offerId, {});
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const entry of this.running.values()) entry.stopping.abort(new JobEndingError('closing'));
    await Promise.all([...this.running.values()].map(({ finished }) => finished));
  }

  /** Notes that the job runs. False for one that is over for good. */
  private async begin({ name, offerId, poolId, header }: ScheduledJob, lease: Lease): Promise<boolean> {
    return this.options.database.prisma.$transaction(async (tx) => {
      await assertLease(tx, lease);
      const found = await tx.trainingJob.findUnique({ where: { name } });
      if (found !== null && ['done', 'failed'].includes(found.state)) return false;
      // A reorganisation gave the offer's number to another job: the one before goes, when it has ended.
      const another = await tx.trainingJob.findUnique({ where: { offerId } });
      if (another !== null && another.name !== name) {
        if (another.state === 'running') return false;
        await tx.trainingJob.delete({ where: { name: another.name } });
        await tx.logBatch.deleteMany({ where: { offerId } });
      }
      const row = { offerId, poolId, state: 'running', steps: header.steps };
      await tx.trainingJob.upsert({ where: { name }, create: { name, ...row }, update: { ...row, failure: null } });
      return true;
    });
  }

  /** Never throws: what goes wrong is logged, and the job is ensured again by the next look. */
  private async run(job: ScheduledJob, entry: Running, lease: Lease): Promise<void> {
    const { database, logger } = this.options;
    const heart = new AbortController();
    const beating = this.keepLease(job, entry, lease, heart.signal);
    try {
      await this.supervise(job, entry.stopping.signal, lease);
    } catch (error) {
      const ending = error instanceof JobEndingError ? error.ending : null;
      if (ending === 'stopped')
        await this.write(job, lease, { state: 'stopped' }).catch(() => undefined); // stop() writes it too
      else if (ending === null) logger.warn({ job: job.name, error: String(error) }, 'job could not be supervised');
    } finally {
      heart.abort();
      await beating;
      await releaseLease(database, lease).catch((error: unknown) => {
        logger.warn({ job: job.name, error: String(error) }, 'lease was not given back; it runs out by itself');
      });
    }
  }

  /** Renews the lease and looks whether the job was stopped elsewhere. Without the lease nothing may go on. */
  private async keepLease(job: ScheduledJob, entry: Running, lease: Lease, signal: AbortSignal): Promise<void> {
    const { database, leaseMs, logger } = this.options;
    let renewedAt = performance.now();
    // Also while the job is ending: its trainer may still be writing a checkpoint.
    while (!signal.aborted) {
      await delay(leaseMs / 3, undefined, { signal }).catch(() => undefined); // the job has ended
      if (signal.aborted) return;
      try {
        await renewLease(database, lease, leaseMs);
        renewedAt = performance.now();
        const row = await database.prisma.trainingJob.findUnique({ where: { name: job.name } });
        if (row?.state === 'stopped') entry.stopping.abort(new JobEndingError('stopped'));
      } catch (error) {
        logger.warn({ job: job.name, error: String(error) }, 'lease could not be renewed');
        if (!(error instanceof LeaseLostError) && performance.now() - renewedAt < leaseMs) continue;
        entry.stopping.abort(new JobEndingError('lost'));
        return;
      }
    }
  }

  private async supervise(job: ScheduledJob, signal: AbortSignal, lease: Lease): Promise<void> {
    const { logger, maxFailures, firstPauseMs } = this.options;
    const giveBack = await this.slots.take(job.poolId, job.poolSlots, job.slots, signal);
    try {
      for (let failures = 0, pauses = 0; ;) {
        signal.throwIfAborted();
        const { end, result, progressed } = await this.runOnce(job, signal, lease);
        if (end.code === 0 && result !== null) {
          await this.finish(job, lease, signal, this.resultOf(job, result));
          return;
        }
        signal.throwIfAborted();
        const { code, lastWords } = end;
        if (progressed) failures = pauses = 0;
        pauses++;
        if (code !== tryAgainCode) failures++;
        logger.warn({ job: job.name, code, signal: end.signal, lastWords }, 'trainer ended early');
        if (code === terminalCode || failures >= maxFailures) {
          const failure = storable(lastWords) || `exit code ${String(code)}`;
          await this.finish(job, lease, signal, { state: 'failed', failure });
          return;
        }
        const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (pauses - 1));
        await delay(pauseMs, undefined, { signal }).catch(() => undefined); // ending: the loop's first line throws
      }
    } finally {
      giveBack();
    }
  }

  private async runOnce(
    job: ScheduledJob,
    signal: AbortSignal,
    lease: Lease,
  ): Promise<{ end: ProcessEnd; result: Result | null; progressed: boolean }> {
    const { database, logger, swarmUrl, workFolder, trainerCommands, stopGraceMs, progressMs } = this.options;
    const workdir = join(workFolder, job.name);
    await takeWorkFolder(workdir, formatHeaderJson(job.header), stopGraceMs);
    signal.throwIfAborted();
    const { checkpointReference } = await this.write(job, lease, { attempts: { increment: 1 } });
    const own = Object.hasOwn(trainerCommands, job.poolName) ? trainerCommands[job.poolName] : undefined;
    const command = own ?? trainerCommands.default;
    const recorder = new ProgressRecorder({ database, lease, job, logger, intervalMs: progressMs });
    let result: Result | null = null;
    let progressed = false;
    const flags = {
      swarm: swarmUrl,
      'header-json': formatHeaderJson(job.header),
      workdir,
      progress: 'json',
      // What is in the work folder comes first; this is for when it is lost, or was another machine's.
      ...(checkpointReference === null ? {} : { 'resume-from': checkpointReference }),
    };
    const { child, ended } = startJsonLinesProcess(
      [...command, 'train', ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value])],
      (message) => {
        const batch = batchMessage.safeParse(message).data;
        if (batch !== undefined) {
          progressed = true;
          recorder.batch(batch);
        }
        const started = startMessage.safeParse(message).data;
        if (started !== undefined) recorder.started(started.backend);
        const checkpoint = checkpointMessage.safeParse(message).data;
        if (checkpoint !== undefined) recorder.checkpoint(checkpoint.logReference);
        const voided = voidSegmentMessage.safeParse(message).data;
        if (voided !== undefined)
          logger.warn(
            { job: job.name, segment: voided.segment, step: voided.step, reason: storable(voided.reason) },
            'a segment has no finite result and changes nothing',
          );
        result = resultMessage.safeParse(message).data ?? result;
      },
      pidFileOf(workdir),
    );
    let killing: NodeJS.Timeout | undefined;
    const end = (): void => {
      child.kill('SIGTERM');
      killing = setTimeout(() => child.kill('SIGKILL'), stopGraceMs);
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    try {
      return { end: await ended, result, progressed };
    } finally {
      signal.removeEventListener('abort', end);
      clearTimeout(killing);
      await recorder.close();
    }
  }

  /** A trainer whose references are none has failed, whatever its exit code. */
  private resultOf(job: ScheduledJob, result: Result): JobChange {
    try {
      return {
        state: 'done',
        step: job.header.steps,
        testAccuracy: result.testAccuracy,
        logReference: parseReference(result.logReference, 'logReference'),
        modelReference: parseReference(result.modelReference, 'modelReference'),
      };
    } catch (error) {
      return { state: 'failed', failure: storable(`The trainer's result is malformed: ${String(error)}`) };
    }
  }

  /** Writes how the job ended; a database that is away is waited for as long as the lease lasts. */
  private async finish(job: ScheduledJob, lease: Lease, signal: AbortSignal, change: JobChange): Promise<void> {
    for (let pauseMs = 200; ; pauseMs = Math.min(5_000, pauseMs * 2)) {
      try {
        await this.write(job, lease, change);
        return;
      } catch (error) {
        if (error instanceof LeaseLostError) throw error;
        signal.throwIfAborted();
        this.options.logger.warn({ job: job.name, error: String(error) }, 'end of a job not recorded yet; again soon');
        await delay(pauseMs, undefined, { signal }).catch(() => undefined); // ending: tried once more
      }
    }
  }

  private write(job: ScheduledJob, lease: Lease, data: JobChange): Promise<TrainingJob> {
    return this.options.database.prisma.$transaction(async (tx) => {
      await assertLease(tx, lease);
      const row = await tx.trainingJob.update({ where: { name: job.name }, data });
      await publish(tx, 'job', job.offerId, {});
      return row;
    });
  }
}

/** The end of what a trainer said, as PostgreSQL takes it. */
function storable(text: string): string {
  return text.replaceAll('\0', '').slice(-maxFailureLength);
}
