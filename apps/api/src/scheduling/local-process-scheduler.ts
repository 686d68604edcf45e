import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import type { Logger } from '@cotrain/chain';
import { parseReference } from '@cotrain/protocol';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { publish } from '../indexing/outbox.ts';
import { startJsonLinesProcess } from './json-lines-process.ts';
import { headerJson, type ScheduledJob, type Scheduler } from './scheduler.ts';

export interface LocalProcessSchedulerOptions {
  database: Database;
  swarmUrl: string;
  /** Jobs keep their checkpoints below this folder. */
  workFolder: string;
  /** Command of the trainer, by the pool's name; `default` for the others. */
  trainerCommands: Record<string, readonly string[]> & { default: readonly string[] };
  logger: Logger;
  /** Restarts of a job that fails in a way that may pass. */
  maxAttempts?: number;
}

const batchMessage = z.object({
  type: z.literal('batch'),
  step: z.number().int(),
  loss: z.number(),
  metric: z.number(),
  wallMs: z.number(),
});
const startMessage = z.object({ type: z.literal('start'), backend: z.string().max(40) });
const resultMessage = z.object({
  type: z.literal('result'),
  logReference: z.string(),
  modelReference: z.string(),
  testAccuracy: z.number().nullable(),
});

/** Exit codes of the trainer that a restart cannot help. */
const terminalCodes = new Set([2]);
/** Batches kept for charts, at most. */
const sampledBatches = 2_000;

interface Running {
  child: ChildProcess | null;
  stopped: boolean;
  finished: Promise<void>;
}

/** Runs each job as a child process of this machine and starts it again, from its checkpoint, when it dies. */
export class LocalProcessScheduler implements Scheduler {
  private readonly running = new Map<string, Running>();

  constructor(private readonly options: LocalProcessSchedulerOptions) {}

  async ensure(job: ScheduledJob): Promise<void> {
    if (this.running.has(job.name)) return;
    const entry: Running = { child: null, stopped: false, finished: Promise.resolve() };
    this.running.set(job.name, entry);
    const { prisma } = this.options.database;
    const row = { offerId: job.offerId, poolId: job.poolId, state: 'running', steps: job.header.steps };
    await prisma.trainingJob.upsert({
      where: { name: job.name },
      create: { name: job.name, ...row },
      update: { state: 'running', failure: null },
    });
    entry.finished = this.supervise(job, entry)
      .catch(async (error: unknown) => {
        this.options.logger.warn({ job: job.name, error: String(error) }, 'job could not be supervised');
        await this.finish(job, { state: 'failed', failure: String(error).slice(0, 500) });
      })
      .finally(() => this.running.delete(job.name));
  }

  async stop(name: string): Promise<void> {
    const entry = this.running.get(name);
    if (entry === undefined) {
      await this.options.database.prisma.trainingJob.updateMany({
        where: { name, state: 'running' },
        data: { state: 'stopped' },
      });
      return;
    }
    entry.stopped = true;
    entry.child?.kill('SIGTERM');
    await entry.finished;
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.running.values()].map((entry) => {
        entry.stopped = true;
        entry.child?.kill('SIGTERM');
        return entry.finished;
      }),
    );
  }

  private async supervise(job: ScheduledJob, entry: Running): Promise<void> {
    const { logger, maxAttempts = 20 } = this.options;
    for (let attempt = 1; !entry.stopped; attempt++) {
      await this.options.database.prisma.trainingJob.update({ where: { name: job.name }, data: { attempts: attempt } });
      const end = await this.runOnce(job, entry);
      if (end.done) return;
      if (entry.stopped) break;
      logger.warn({ job: job.name, code: end.code, lastWords: end.lastWords }, 'trainer ended early');
      if ((end.code !== null && terminalCodes.has(end.code)) || attempt >= maxAttempts) {
        await this.finish(job, {
          state: 'failed',
          failure: end.lastWords.slice(-500) || `exit code ${String(end.code)}`,
        });
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(30_000, 500 * 2 ** Math.min(attempt, 6))));
    }
    await this.finish(job, { state: 'stopped' });
  }

  private async runOnce(
    job: ScheduledJob,
    entry: Running,
  ): Promise<{ done: boolean; code: number | null; lastWords: string }> {
    const { swarmUrl, workFolder, trainerCommands } = this.options;
    const workdir = join(workFolder, job.name);
    mkdirSync(workdir, { recursive: true, mode: 0o700 });
    const command = trainerCommands[job.poolName] ?? trainerCommands.default;
    let result: z.infer<typeof resultMessage> | undefined;
    const every = Math.max(1, Math.ceil(job.header.steps / sampledBatches));
    // Messages are written one after the other, so that progress never goes backwards.
    let writing: Promise<unknown> = Promise.resolve();
    const inTurn = (work: () => Promise<unknown>): void => {
      writing = writing.then(work).catch((error: unknown) => {
        this.options.logger.warn({ job: job.name, error: String(error) }, 'progress could not be recorded');
      });
    };
    let lastTold = 0;
    const { child, ended } = startJsonLinesProcess(
      [
        ...command,
        'train',
        '--swarm',
        swarmUrl,
        '--header-json',
        headerJson(job.header),
        '--workdir',
        workdir,
        '--progress',
        'json',
      ],
      (message) => {
        const batch = batchMessage.safeParse(message).data;
        if (batch !== undefined && (batch.step % every === 0 || batch.step + 1 === job.header.steps)) {
          const tell = performance.now() - lastTold > 200 || batch.step + 1 === job.header.steps;
          if (tell) lastTold = performance.now();
          inTurn(() => this.recordBatch(job, batch, tell));
        }
        const started = startMessage.safeParse(message).data;
        if (started !== undefined)
          inTurn(() =>
            this.options.database.prisma.trainingJob.update({
              where: { name: job.name },
              data: { backend: started.backend },
            }),
          );
        result = resultMessage.safeParse(message).data ?? result;
      },
    );
    entry.child = child;
    if (entry.stopped) child.kill('SIGTERM');
    const end = await ended;
    await writing;
    if (end.code !== 0 || result === undefined) return { done: false, code: end.code, lastWords: end.lastWords };
    await this.finish(job, {
      state: 'done',
      step: job.header.steps,
      testAccuracy: result.testAccuracy,
      logReference: parseReference(result.logReference, 'logReference'),
      modelReference: parseReference(result.modelReference, 'modelReference'),
    });
    return { done: true, code: 0, lastWords: '' };
  }

  private async recordBatch(job: ScheduledJob, batch: z.infer<typeof batchMessage>, tell: boolean): Promise<void> {
    const { step, loss, metric, wallMs } = batch;
    await this.options.database.prisma.$transaction(async (tx) => {
      await tx.logBatch.upsert({
        where: { offerId_step: { offerId: job.offerId, step } },
        create: { offerId: job.offerId, step, loss, metric, wallMs },
        update: { loss, metric, wallMs },
      });
      if (!tell) return;
      await tx.trainingJob.update({ where: { name: job.name }, data: { step: step + 1, loss, metric } });
      await publish(tx, 'batch', job.offerId, { step, loss, metric, wallMs });
      await publish(tx, 'job', job.offerId, {});
    });
  }

  private async finish(
    job: ScheduledJob,
    data: Parameters<Database['prisma']['trainingJob']['update']>[0]['data'],
  ): Promise<void> {
    await this.options.database.prisma.$transaction(async (tx) => {
      await tx.trainingJob.update({ where: { name: job.name }, data });
      await publish(tx, 'job', job.offerId, {});
    });
  }
}
