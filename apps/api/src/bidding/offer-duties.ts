import { type Deployment, encodeCall, type Logger, readContract, trainingMarketAbi } from '@cotrain/chain';
import { slotsFor, slotsOf } from '@cotrain/matching';
import type { Hex } from '@cotrain/protocol';
import { NotFoundError, type SwarmClient } from '@cotrain/swarm';
import type { JsonRpcProvider } from 'ethers';
import type { Database } from '../database/database.ts';
import type { OfferView } from '../indexing/fold-offer.ts';
import { jobName, type Scheduler } from '../scheduling/scheduler.ts';
import type { IntentRequest } from '../signer/protocol.ts';
import { Backoff } from './backoff.ts';
import { callOf } from './call-data.ts';
import { checkCommitment } from './commitment-check.ts';
import type { DocumentLibrary } from './document-library.ts';
import type { IntentSubmitter } from './intent-submitter.ts';
import { assertLease, type Lease, LeaseLostError } from './lease.ts';
import type { MarketState } from './market-state.ts';
import type { OfferAction } from './offer-actions.ts';
import { headerOf } from './offer-documents.ts';

type DutyAction = Exclude<OfferAction, { kind: 'match' | 'bid' }>;

/** Something that is due for an offer, or for a job whose offer is gone. */
export type OfferDuty =
  | { offer: OfferView; action: DutyAction; jobName: null }
  | { offer: null; action: { kind: 'stopJob' }; jobName: string };

export interface OfferDutiesOptions {
  database: Database;
  provider: JsonRpcProvider;
  deployment: Deployment;
  swarm: Pick<SwarmClient, 'open'>;
  scheduler: Scheduler;
  documents: DocumentLibrary;
  submitter: IntentSubmitter;
  logger: Logger;
}

const zeroAddress: Hex = `0x${'0'.repeat(40)}`;
/** What was checked longer ago is checked again before a job starts: documents may have gone. */
const startCheckAgeMs = 3_600_000;
const dutiesAtOnce = 16;
const documentPatienceMs = 2_000;
const firstRetryMs = 500;
const longestRetryMs = 30_000;
/** So often, over half a minute, a store must say that it has not what a trainer says it uploaded. */
const missingTries = 7;

/** A job that was awarded is not started: it would end in failure, and that costs more than the bond. */
export class JobNotTrainableError extends Error {
  override readonly name = 'JobNotTrainableError';
}

/** Does what is due for offers besides bidding. The trouble of one offer is its own. */
export class OfferDuties {
  private readonly backoff = new Backoff(firstRetryMs, longestRetryMs);

  constructor(private readonly options: OfferDutiesOptions) {}

  /** @throws LeaseLostError */
  async fulfil(duties: readonly OfferDuty[], state: MarketState, lease: Lease): Promise<void> {
    const requests: { duty: OfferDuty; request: IntentRequest }[] = [];
    await inParallel(duties, dutiesAtOnce, async (duty) => {
      await this.attempt(duty, async () => {
        for (const request of await this.prepare(duty, state, lease)) requests.push({ duty, request });
      });
    });
    const outcomes = await this.options.submitter.submit(requests.map(({ request }) => request));
    // Capacity is freed when nothing is left to withdraw, or the signer does not withdraw.
    const unsettled = new Set(
      requests.flatMap(({ duty }, index) =>
        ['unavailable', 'unfunded', 'waiting'].includes(outcomes[index] ?? '') ? [duty] : [],
      ),
    );
    for (const duty of duties) {
      if (duty.action.kind !== 'settle' || duty.offer === null || unsettled.has(duty)) continue;
      const { poolId } = duty.action;
      await this.attempt(duty, () => this.setReservation(duty.offer?.id ?? 0, poolId, 'released', lease));
    }
  }

  private async attempt(duty: OfferDuty, work: () => Promise<void>): Promise<void> {
    const key = `${duty.action.kind}:${duty.offer === null ? duty.jobName : String(duty.offer.id)}`;
    if (this.backoff.isWaiting(key)) return;
    try {
      await work();
      this.backoff.succeeded(key);
    } catch (error) {
      if (error instanceof LeaseLostError) throw error;
      const failures = this.backoff.failed(key);
      if (duty.action.kind === 'commit' && duty.offer !== null) await this.giveUp(duty.offer, error, failures);
      this.options.logger.warn(
        { offerId: duty.offer?.id, duty: duty.action.kind, failures, error: String(error) },
        'duty could not be done; again later',
      );
    }
  }

  /** What is not the job's log, or nowhere to be found, is never committed: validators would convict for it. */
  private async giveUp(offer: OfferView, error: unknown, failures: number): Promise<void> {
    const isTerminal = error instanceof Error && 'retryable' in error && error.retryable === false;
    const isMissing = error instanceof NotFoundError && failures >= missingTries;
    if (!isTerminal && !isMissing) return;
    const { deployment, scheduler, logger } = this.options;
    try {
      await scheduler.fail(jobName(deployment, offer), error.message);
    } catch (cause) {
      logger.warn({ offerId: offer.id, error: String(cause) }, 'failed job could not be recorded; again later');
    }
  }

  /** Does the local part of a duty and returns what is to be signed for it. */
  private async prepare(duty: OfferDuty, state: MarketState, lease: Lease): Promise<IntentRequest[]> {
    const { deployment, scheduler } = this.options;
    if (duty.offer === null) {
      await scheduler.stop(duty.jobName);
      return [];
    }
    const { offer, action } = duty;
    switch (action.kind) {
      case 'schedule':
        await this.schedule(offer, action.account, state);
        return [];
      case 'stopJob':
        await scheduler.stop(jobName(deployment, offer));
        return [];
      case 'holdAgain':
        await this.setReservation(offer.id, action.poolId, 'held', lease);
        return [];
      case 'settle':
        return this.withdrawals(offer, action.account);
      case 'start':
        if (!this.isReadyToStart(offer)) return [];
        break;
      case 'commit':
        await checkCommitment(this.options.swarm, offer, action);
        break;
      default:
        break;
    }
    const call = callOf(action, offer.id, deployment);
    if (call === null) return [];
    const intentId = `${action.kind}:${this.subject(offer, action.kind)}`;
    return [{ intentId, account: action.account as Hex, ...call, valueWei: '0' }];
  }

  /**
   * Whoever starts a job that cannot be trained loses his stake; whoever does not start loses the bond.
   * @throws JobNotTrainableError
   */
  private isReadyToStart(offer: OfferView): boolean {
    const verdict = this.options.documents.verdict(offer, startCheckAgeMs);
    if (verdict?.ok === false) throw new JobNotTrainableError(verdict.reason);
    return verdict !== undefined;
  }

  private async schedule(offer: OfferView, account: string, state: MarketState): Promise<void> {
    const { deployment, scheduler } = this.options;
    const held = state.reservations.get(offer.id) ?? [];
    const candidates = state.ours.filter(({ wallet }) => wallet.toLowerCase() === account.toLowerCase());
    // Pools may share a wallet: the one whose capacity is held is meant.
    const pool = candidates.find(({ id }) => held.some(({ poolId }) => poolId === id)) ?? candidates[0];
    if (pool === undefined) return;
    const known = (await this.options.documents.collect([offer], documentPatienceMs)).get(offer.id);
    const slots = known?.matchable === true ? slotsFor(known.jobSpec.resources, pool) : slotsOf(pool);
    await scheduler.ensure({
      name: jobName(deployment, offer),
      offerId: offer.id,
      poolId: pool.id,
      poolName: pool.name,
      poolSlots: slotsOf(pool),
      slots,
      header: headerOf(offer),
    });
  }

  /** One withdrawal for each currency in which the market owes the account anything. */
  private async withdrawals(offer: OfferView, account: string): Promise<IntentRequest[]> {
    const { deployment, provider } = this.options;
    const token = String(offer.terms['token'] ?? zeroAddress).toLowerCase() as Hex;
    const requests: IntentRequest[] = [];
    for (const each of new Set<Hex>([token, zeroAddress])) {
      const creditWei = await readContract(provider, {
        abi: trainingMarketAbi,
        address: deployment.market,
        functionName: 'credit',
        args: [account as Hex, each],
      });
      if (creditWei === 0n) continue;
      const { data } = encodeCall({ abi: trainingMarketAbi, functionName: 'withdraw', args: [each] });
      const intentId = `withdraw:${this.subject(offer, 'withdraw')}:${account.toLowerCase()}:${each}`;
      requests.push({ intentId, account: account as Hex, to: deployment.market, data, valueWei: '0' });
    }
    return requests;
  }

  private setReservation(offerId: number, poolId: string, state: 'held' | 'released', lease: Lease): Promise<void> {
    return this.options.database.prisma.$transaction(async (tx) => {
      await assertLease(tx, lease);
      await tx.reservation.updateMany({ where: { offerId, poolId }, data: { state } });
    });
  }

  /** What makes an intent of an offer unique: keeper's calls may be due several times, in different rounds. */
  private subject(offer: OfferView, kind: string): string {
    const { deployment } = this.options;
    const job = offer.jobHeaderHash.slice(2, 18);
    const base = `${String(deployment.chainId)}:${deployment.market.toLowerCase()}:${String(offer.id)}:${job}`;
    const round = offer.rounds.at(-1);
    if (kind === 'draw') return `${base}:${String(round?.round ?? 0)}:${String(round?.drawBlock ?? 0)}`;
    if (kind === 'tally' || kind === 'finalize') return `${base}:${String(round?.round ?? 0)}`;
    if (kind === 'expireAward' || kind === 'start') return `${base}:${offer.trainer?.toLowerCase() ?? ''}`;
    return base;
  }
}

/** Runs work on all items, a few at a time. The first error is thrown when what runs has ended. */
async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, worker));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
