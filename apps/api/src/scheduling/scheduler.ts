import { keccak256 } from '@cotrain/protocol';
import type { JobHeader } from '@cotrain/protocol';

/** An awarded offer that is to be executed. */
export interface ScheduledJob {
  name: string;
  offerId: number;
  poolId: string;
  poolName: string;
  header: JobHeader;
}

/** Runs awarded jobs: local processes here, a cluster's operator elsewhere. Every call may be repeated. */
export interface Scheduler {
  /** Makes the job run until it is done, across restarts. */
  ensure(job: ScheduledJob): Promise<void>;
  /** Stops the job; it may be ensured again later and goes on from its checkpoint. */
  stop(name: string): Promise<void>;
  close(): Promise<void>;
}

/** A job's name follows from chain, market and offer, so that nobody starts a second one under another name. */
export function jobName(chainId: number, market: string, offerId: number): string {
  const digest = keccak256(new TextEncoder().encode(`${String(chainId)}:${market.toLowerCase()}`)).slice(2, 10);
  return `job-${digest}-${String(offerId)}`;
}

/** The header as the trainer's command line takes it: 64-bit integers as decimal strings. */
export function headerJson(header: JobHeader): string {
  return JSON.stringify(header, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}
