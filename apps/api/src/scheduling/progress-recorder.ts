import type { Logger } from '@cotrain/chain';
import { z } from 'zod';
import { assertLease, type Lease } from '../bidding/lease.ts';
import type { Database } from '../database/database.ts';
import { publishAll } from '../indexing/outbox.ts';
import type { ScheduledJob } from './scheduler.ts';

export const batchMessage = z.object({
  type: z.literal('batch'),
  step: z.number().int().min(0),
  loss: z.number(),
  metric: z.number(),
  wallMs: z.number(),
});
type Batch = Omit<z.infer<typeof batchMessage>, 'type'>;

export interface ProgressRecorderOptions {
  database: Database;
  lease: Lease;
  job: ScheduledJob;
  logger: Logger;
  /** How often progress is written and told, at most. */
  intervalMs: number;
}

/** Batches kept for charts, at most. */
const sampledBatches = 2_000;

/**
 * Writes a job's progress at a bounded rate, however fast its batches are: samples for charts, and the newest batch for
 * those who follow it. What cannot be written stays for the next time.
 */
export class ProgressRecorder {
  private readonly every: number;
  private readonly samples = new Map<number, Batch>();
  private newest: Batch | null = null;
  private backend: string | null = null;
  private checkpointReference: string | null = null;
  private writing: Promise<void> = Promise.resolve();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly options: ProgressRecorderOptions) {
    this.every = Math.max(1, Math.ceil(options.job.header.steps / sampledBatches));
    this.timer = setInterval(() => {
      this.writing = this.writing.then(() => this.write());
    }, options.intervalMs);
  }

  started(backend: string): void {
    this.backend = backend;
  }

  /** The log so far is on Swarm. */
  checkpoint(logReference: string): void {
    this.checkpointReference = logReference;
  }

  batch({ step, loss, metric, wallMs }: Batch): void {
    const { steps } = this.options.job.header;
    if (step >= steps) return; // the trainer counts wrong: no such batch
    this.newest = { step, loss, metric, wallMs };
    if (step % this.every === 0 || step + 1 === steps) this.samples.set(step, this.newest);
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    this.writing = this.writing.then(() => this.write());
    await this.writing;
  }

  private async write(): Promise<void> {
    const { newest, backend, checkpointReference } = this;
    if (newest === null && backend === null && checkpointReference === null) return;
    const { database, job, lease } = this.options;
    const { offerId, name } = job;
    const samples = [...this.samples.values()];
    try {
      await database.prisma.$transaction(async (tx) => {
        await assertLease(tx, lease);
        // A step that is executed again after a restart is the same step.
        await tx.logBatch.createMany({
          data: samples.map((sample) => ({ offerId, ...sample })),
          skipDuplicates: true,
        });
        await tx.trainingJob.update({
          where: { name },
          data: {
            ...(newest === null ? {} : { step: newest.step + 1, loss: newest.loss, metric: newest.metric }),
            ...(backend === null ? {} : { backend }),
            ...(checkpointReference === null ? {} : { checkpointReference }),
          },
        });
        await publishAll(tx, [
          ...(newest === null ? [] : [{ topic: 'batch' as const, offerId, payload: { ...newest } }]),
          { topic: 'job' as const, offerId, payload: {} },
        ]);
      });
    } catch (error) {
      this.options.logger.warn({ job: name, error: String(error) }, 'progress could not be recorded; again soon');
      return;
    }
    for (const { step } of samples) this.samples.delete(step);
    if (this.newest === newest) this.newest = null;
    if (this.backend === backend) this.backend = null;
    if (this.checkpointReference === checkpointReference) this.checkpointReference = null;
  }
}
