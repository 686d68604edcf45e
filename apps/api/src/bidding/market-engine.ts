import type { Deployment, Logger } from '@cotrain/chain';
import type { SwarmClient } from '@cotrain/swarm';
import type { JsonRpcProvider } from 'ethers';
import type { Database } from '../database/database.ts';
import type { OfferView } from '../indexing/fold-offer.ts';
import { jobName, type Scheduler } from '../scheduling/scheduler.ts';
import type { SignerClient } from '../signer/signer-client.ts';
import type { ValidatorEngine } from '../validation/validator-engine.ts';
import { Backoff } from './backoff.ts';
import { Bidder, type HeldBid } from './bidder.ts';
import { DocumentLibrary } from './document-library.ts';
import { IntentSubmitter } from './intent-submitter.ts';
import type { JobChecker } from './job-checker.ts';
import { acquireLease, assertLease, type Lease, LeaseLostError, releaseLease, renewLease } from './lease.ts';
import { type MarketState, MarketStateReader } from './market-state.ts';
import { decideOfferActions, isUnsigned, type OfferAction } from './offer-actions.ts';
import { OfferDuties, type OfferDuty } from './offer-duties.ts';
import { SignerAccounts } from './signer-accounts.ts';

export interface MarketEngineOptions {
  database: Database;
  provider: JsonRpcProvider;
  deployment: Deployment;
  swarm: SwarmClient;
  signer: SignerClient;
  scheduler: Scheduler;
  validators: ValidatorEngine;
  checker: JobChecker;
  logger: Logger;
  /** Unique among replicas. */
  replica: string;
  awardConfirmations: number;
  /** Account that signs what anyone may call; without it only our own duties are done. */
  keeper: string | null;
  /** How long another replica waits for one that fell silent. */
  leaseMs?: number;
}

const leaseName = 'market-engine';
/** A pool whose bid was refused, or that could not pay for it, is left out of the offer's match for so long. */
const refusedMs = 5_000;
const longestRefusedMs = 60_000;

/** Carries every offer from its funding to its settlement, as far as this deployment takes part in it. */
export class MarketEngine {
  private tick: Promise<void> | null = null;
  private again = false;
  private closed = false;
  private lease: Lease | null = null;
  private readonly accounts: SignerAccounts;
  private readonly reader: MarketStateReader;
  private readonly documents: DocumentLibrary;
  private readonly bidder: Bidder;
  private readonly duties: OfferDuties;
  private readonly refused = new Backoff(refusedMs, longestRefusedMs);

  constructor(private readonly options: MarketEngineOptions) {
    const submitter = new IntentSubmitter(options);
    this.accounts = new SignerAccounts({
      ...options,
      onReturn: () => {
        this.wake();
      },
    });
    this.reader = new MarketStateReader(options.database);
    this.documents = new DocumentLibrary({
      ...options,
      onArrival: () => {
        this.wake();
      },
    });
    this.bidder = new Bidder({ ...options, documents: this.documents, submitter });
    this.duties = new OfferDuties({ ...options, documents: this.documents, submitter });
  }

  /** Something changed: look at all open offers, now or right after the look that is under way. */
  wake(): void {
    if (this.closed) return;
    if (this.tick !== null) {
      this.again = true;
      return;
    }
    this.tick = this.look()
      .catch((error: unknown) => {
        this.options.logger.warn(
          { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
          'offers could not be looked after; again with the next block',
        );
      })
      .finally(() => {
        this.tick = null;
        if (this.again) {
          this.again = false;
          this.wake();
        }
      });
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.tick;
    await this.documents.close();
    if (this.lease !== null)
      await releaseLease(this.options.database, this.lease).catch((error: unknown) => {
        this.options.logger.warn({ error: String(error) }, 'lease was not given back; it runs out by itself');
      });
  }

  private async look(): Promise<void> {
    const { database, replica, leaseMs = 15_000 } = this.options;
    // Of several replicas one acts at a time; the others index and answer.
    const lease = await acquireLease(database, leaseName, replica, leaseMs);
    this.lease = lease;
    if (lease === null) return;
    const startedMs = performance.now();
    const { addresses, isReachable } = await this.accounts.read();
    const state = await this.reader.read(addresses);
    if (state === null) return;
    const { held, toMatch, duties } = this.decide(state);
    const loadedMs = performance.now();
    if (isReachable) await this.bid(held, toMatch, state, lease);
    const bidMs = performance.now();
    await this.documents.prefetch([...state.offers.values()].filter((offer) => offer.state === 'Funding'));
    await renewLease(database, lease, leaseMs);
    const due = isReachable ? duties : duties.filter(({ action }) => isUnsigned(action));
    await this.duties.fulfil(due, state, lease);
    for (const offer of state.offers.values()) await this.options.validators.tend(offer, state.now);
    this.options.logger.debug(
      {
        offers: state.offers.size,
        matched: toMatch.length,
        held: held.length,
        loadMs: Math.round(loadedMs - startedMs),
        bidMs: Math.round(bidMs - loadedMs),
        dutiesMs: Math.round(performance.now() - bidMs),
      },
      'looked at the market',
    );
  }

  /** Bids come first: they are what others compete with. */
  private async bid(
    held: readonly HeldBid[],
    toMatch: readonly OfferView[],
    state: MarketState,
    lease: Lease,
  ): Promise<void> {
    const { database, logger, leaseMs = 15_000 } = this.options;
    let matched: HeldBid[] = [];
    try {
      matched = await this.bidder.match(toMatch, state, lease, (offer) =>
        state.ours.flatMap(({ id }) => (this.refused.isWaiting(refusalKey(offer, id)) ? [id] : [])),
      );
      await renewLease(database, lease, leaseMs);
      const refused = await this.bidder.submit([...held, ...matched], state.ours);
      if (refused.length > 0) await this.giveBack(refused, lease);
    } catch (error) {
      if (error instanceof LeaseLostError) throw error;
      // What was held is bid for by the next look; the duties of other offers must not wait for that.
      logger.warn(
        { offers: toMatch.length, held: held.length + matched.length, error: String(error) },
        'bids not sent',
      );
    }
  }

  /**
   * The contract refuses a bid, or its wallet cannot pay: the capacity is free, and the next match leaves the pool out. If
   * the wallet is filled up and the bid sent after all, the chain shows it and the capacity is held again.
   */
  private async giveBack(bids: readonly HeldBid[], lease: Lease): Promise<void> {
    await this.options.database.prisma.$transaction(async (tx) => {
      await assertLease(tx, lease);
      for (const { offer, poolId } of bids)
        await tx.reservation.updateMany({ where: { offerId: offer.id, poolId }, data: { state: 'released' } });
    });
    for (const { offer, poolId } of bids) this.refused.failed(refusalKey(offer, poolId));
  }

  private decide(state: MarketState): { held: HeldBid[]; toMatch: OfferView[]; duties: OfferDuty[] } {
    const wallets = new Map(state.ours.map(({ id, wallet }) => [id, wallet]));
    const ownWallets = new Set([...wallets.values()].map((wallet) => wallet.toLowerCase()));
    const held: HeldBid[] = [];
    const toMatch: OfferView[] = [];
    const duties: OfferDuty[] = [];
    for (const offer of state.offers.values()) {
      const job = state.jobs.get(offer.id) ?? null;
      const isOfAnotherHeader = job !== null && job.name !== jobName(this.options.deployment, offer);
      if (isOfAnotherHeader && job.state === 'running')
        duties.push({ offer: null, action: { kind: 'stopJob' }, jobName: job.name });
      const own = {
        wallets: ownWallets,
        keeper: this.options.keeper,
        job: isOfAnotherHeader ? null : job,
        reservations: (state.reservations.get(offer.id) ?? []).flatMap(({ poolId, priceWei, state: held }) => {
          const wallet = wallets.get(poolId);
          return wallet === undefined ? [] : [{ poolId, wallet, priceWei, held: held === 'held' }];
        }),
      };
      for (const action of decideOfferActions(offer, own, state.now, this.options.awardConfirmations))
        this.sort(offer, action, { held, toMatch, duties });
    }
    for (const { name } of state.orphans) duties.push({ offer: null, action: { kind: 'stopJob' }, jobName: name });
    return { held, toMatch, duties };
  }

  private sort(
    offer: OfferView,
    action: OfferAction,
    into: { held: HeldBid[]; toMatch: OfferView[]; duties: OfferDuty[] },
  ): void {
    if (action.kind === 'bid') into.held.push({ offer, poolId: action.poolId, priceWei: action.priceWei });
    else if (action.kind !== 'match') into.duties.push({ offer, action, jobName: null });
    else into.toMatch.push(offer);
  }
}

function refusalKey({ id, jobHeaderHash }: OfferView, poolId: string): string {
  return `${String(id)}:${jobHeaderHash}:${poolId}`;
}
