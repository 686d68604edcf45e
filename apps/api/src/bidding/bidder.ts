import { type Deployment, encodeCall, type Logger, readContract, trainingMarketAbi } from '@cotrain/chain';
import { makeReceipt, matches, type OfferMatch } from '@cotrain/matching';
import type { Hex } from '@cotrain/protocol';
import type { JsonRpcProvider } from 'ethers';
import type { Database } from '../database/database.ts';
import type { Pool, Prisma } from '../generated/prisma/client.ts';
import type { OfferView } from '../indexing/fold-offer.ts';
import { publishAll } from '../indexing/outbox.ts';
import type { IntentRequest } from '../signer/protocol.ts';
import type { DocumentLibrary } from './document-library.ts';
import type { IntentSubmitter } from './intent-submitter.ts';
import { assertLease, type Lease } from './lease.ts';
import { matchOffer, matchPools, readStakes } from './match-inputs.ts';
import type { MarketState } from './market-state.ts';

export interface BidderOptions {
  database: Database;
  provider: JsonRpcProvider;
  deployment: Deployment;
  documents: DocumentLibrary;
  submitter: IntentSubmitter;
  logger: Logger;
}

/** A bid that capacity is held for. */
export interface HeldBid {
  offer: OfferView;
  poolId: string;
  priceWei: string;
}

/** How long a look waits for documents; what comes later is matched by the next look. */
const documentPatienceMs = 400;
/** A decision against every pool is recorded again only after this, however often its reasons change. */
const againstAllMs = 10_000;
const maxRemembered = 20_000;

/** Matches the offers of a look together, records the decisions, and submits the bids together. */
export class Bidder {
  private readonly recorded = new Map<string, { decision: string; at: number }>();
  private readonly bonds = new Map<string, bigint>();

  constructor(private readonly options: BidderOptions) {}

  /**
   * Matches offers, holds capacity for those that a pool was chosen for, and returns their bids. Receipts and
   * reservations are written in one transaction that the lease allows; nothing is signed before it is committed.
   * @param refusedPoolIds pools that are left out of an offer's match
   * @throws LeaseLostError
   */
  async match(
    offers: readonly OfferView[],
    state: MarketState,
    lease: Lease,
    refusedPoolIds: (offer: OfferView) => readonly string[] = () => [],
  ): Promise<HeldBid[]> {
    if (offers.length === 0 || state.ours.length === 0) return [];
    const { documents, deployment, provider, database } = this.options;
    const holding = [...state.offers.values()].filter(({ id }) =>
      state.reservations.get(id)?.some((row) => row.state === 'held'),
    );
    const known = await documents.collect([...offers, ...holding], documentPatienceMs);
    const candidates = offers.flatMap((offer) => {
      const found = known.get(offer.id);
      return found === undefined ? [] : [matchOffer(offer, found, refusedPoolIds(offer))];
    });
    if (candidates.length === 0) return [];
    const stakes = await readStakes(
      state.ours.map(({ wallet }) => wallet),
      deployment,
      provider,
    );
    const now = new Date(state.now.timestamp * 1_000);
    const byId = new Map(offers.map((offer) => [offer.id, offer]));
    const news: OfferMatch[] = [];
    const bids: HeldBid[] = [];
    for (const decision of matches(candidates, matchPools(state, stakes, known), now)) {
      const offer = byId.get(decision.offer.id);
      if (offer === undefined) continue;
      if (this.isNews(offer, decision)) news.push(decision);
      const { chosen } = decision;
      if (chosen !== null) bids.push({ offer, poolId: chosen.pool.id, priceWei: String(chosen.priceWei) });
    }
    if (news.length > 0) {
      await database.prisma.$transaction(async (tx) => {
        await assertLease(tx, lease);
        await record(news, now, tx);
      });
      for (const decision of news) {
        const offer = byId.get(decision.offer.id);
        if (offer !== undefined) this.remember(offer, decision);
      }
    }
    return bids;
  }

  /** Submits bids in one request to the signer. Returns those that the contract refuses, or the wallet cannot pay. */
  async submit(bids: readonly HeldBid[], pools: readonly Pool[]): Promise<HeldBid[]> {
    if (bids.length === 0) return [];
    const bondsWei = await Promise.all(bids.map(({ offer }) => this.bondWei(offer)));
    const requests = bids.flatMap((bid, index) => {
      const pool = pools.find(({ id }) => id === bid.poolId);
      return pool === undefined ? [] : [{ bid, request: this.bidRequest(bid, pool, bondsWei[index] ?? 0n) }];
    });
    const outcomes = await this.options.submitter.submit(requests.map(({ request }) => request));
    return requests.flatMap(({ bid }, index) =>
      outcomes[index] === 'refused' || outcomes[index] === 'unfunded' ? [bid] : [],
    );
  }

  private bidRequest({ offer, priceWei }: HeldBid, pool: Pool, bondWei: bigint): IntentRequest {
    const { chainId, market } = this.options.deployment;
    const { data } = encodeCall({
      abi: trainingMarketAbi,
      functionName: 'bid',
      args: [BigInt(offer.id), offer.jobHeaderHash as Hex, BigInt(priceWei)],
    });
    return {
      // After a reorganisation the same id can be another job's, whose bid is another one; and so is one at another price.
      intentId: `bid:${String(chainId)}:${market.toLowerCase()}:${String(offer.id)}:${pool.id}:${offer.jobHeaderHash.slice(2, 18)}:${priceWei}`,
      account: pool.wallet as Hex,
      to: market,
      data,
      valueWei: String(bondWei),
    };
  }

  /** Fixed when the offer is opened, so it is read once. */
  private async bondWei(offer: OfferView): Promise<bigint> {
    const key = `${String(offer.id)}:${offer.jobHeaderHash}:${offer.rewardWei}`;
    const known = this.bonds.get(key);
    if (known !== undefined) return known;
    const { deployment, provider } = this.options;
    const bondWei = await readContract(provider, {
      abi: trainingMarketAbi,
      address: deployment.market,
      functionName: 'bidBondWei',
      args: [BigInt(offer.id)],
    });
    if (this.bonds.size >= maxRemembered) this.bonds.clear();
    this.bonds.set(key, bondWei);
    return bondWei;
  }

  /** A choice is always recorded; a decision against all pools when it differs from the last one of the offer. */
  private isNews(offer: OfferView, decision: OfferMatch): boolean {
    if (decision.chosen !== null) return true;
    const last = this.recorded.get(keyOf(offer));
    if (last === undefined) return true;
    return performance.now() - last.at > againstAllMs && last.decision !== summaryOf(decision);
  }

  private remember(offer: OfferView, decision: OfferMatch): void {
    if (this.recorded.size >= maxRemembered) this.recorded.clear();
    this.recorded.set(keyOf(offer), { decision: summaryOf(decision), at: performance.now() });
  }
}

async function record(decisions: readonly OfferMatch[], now: Date, tx: Prisma.TransactionClient): Promise<void> {
  const receipts = decisions.map((decision) => makeReceipt(decision, now));
  await tx.matchReceipt.createMany({
    data: receipts.map((receipt) => ({
      id: `${String(receipt.offerId)}-${receipt.inputsHash.slice(2, 18)}`,
      offerId: receipt.offerId,
      inputsHash: receipt.inputsHash,
      poolId: receipt.chosen?.poolId ?? null,
      priceWei: receipt.chosen?.priceWei ?? null,
      receipt: receipt as unknown as Prisma.InputJsonObject,
    })),
    // The same inputs again, after a restart: the receipt is there.
    skipDuplicates: true,
  });
  const reservations = decisions.flatMap(({ offer, chosen }) =>
    chosen === null
      ? []
      : [
          {
            offerId: offer.id,
            poolId: chosen.pool.id,
            gpuSeconds: offer.gpuSeconds,
            priceWei: String(chosen.priceWei),
          },
        ],
  );
  // One that was given back before is in the way of holding it again.
  await tx.reservation.deleteMany({
    where: { state: 'released', offerId: { in: reservations.map(({ offerId }) => offerId) } },
  });
  await tx.reservation.createMany({ data: reservations });
  await publishAll(
    tx,
    receipts.map(({ offerId }) => ({ topic: 'offer' as const, offerId, payload: {} })),
  );
}

function keyOf(offer: OfferView): string {
  return `${String(offer.id)}:${offer.jobHeaderHash}`;
}

function summaryOf({ chosen, rejected }: OfferMatch): string {
  const against = rejected.map(({ pool, reasons, priceWei }) => `${pool.id}:${reasons.join(',')}:${String(priceWei)}`);
  return `${chosen?.pool.id ?? ''}\n${against.join('\n')}`;
}
