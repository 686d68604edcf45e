import { type JobHeader, keccak256 } from '@cotrain/protocol';

/** An awarded offer that is to be executed. */
export interface ScheduledJob {
  name: string;
  offerId: number;
  poolId: string;
  poolName: string;
  /** GPUs of the pool, and how many of them this job occupies; a pool without GPUs runs one job at a time. */
  poolSlots: number;
  slots: number;
  header: JobHeader;
}

/**
 * Runs awarded jobs: local processes here, a cluster's operator elsewhere. Every call may be repeated, by any replica.
 * What became of a job is in the TrainingJob table: `running`, then `done` with its references, `failed` for good with
 * the reason, or `stopped`.
 */
export interface Scheduler {
  /**
   * Makes the job run until it is done, across crashes of the trainer and of whoever runs it, one trainer at a time. A
   * job that is done or failed stays so; one that was stopped goes on from its checkpoint.
   */
  ensure(job: ScheduledJob): Promise<void>;
  /** Stops the job, wherever it runs, and withdraws what it may have come to; it may be ensured again later. */
  stop(name: string): Promise<void>;
  /** What a job that is done has come to is no result: it has failed for good. Others stay as they are. */
  fail(name: string, reason: string): Promise<void>;
  /** Ends what runs here, after a checkpoint. The jobs stay `running`: whoever ensures them next goes on. */
  close(): Promise<void>;
}

/**
 * A job's name follows from chain, market, offer and JobHeader, so that nobody starts a second one under another name,
 * and what is known of it is not taken for the job of another offer that a reorganisation gave the same number.
 */
export function jobName(
  { chainId, market }: { chainId: number; market: string },
  offer: { id: number; jobHeaderHash: string },
): string {
  const place = keccak256(new TextEncoder().encode(`${String(chainId)}:${market.toLowerCase()}`)).slice(2, 10);
  return `job-${place}-${String(offer.id)}-${offer.jobHeaderHash.slice(2, 18).toLowerCase()}`;
}
