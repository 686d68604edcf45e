import {
  type Deployment,
  encodeCall,
  type Logger,
  readContract,
  trainerRegistryAbi,
  trainingMarketAbi,
} from '@cotrain/chain';
import type { SwarmClient } from '@cotrain/swarm';
import type { JsonRpcProvider } from 'ethers';
import type { Database } from '../database/database.ts';
import type { Pool, Prisma } from '../generated/prisma/client.ts';
import type { OfferView } from '../indexing/fold-offer.ts';
import { publish } from '../indexing/outbox.ts';
import { readOffers } from '../indexing/sql-indexer-store.ts';
import { match } from '../matching/match.ts';
import { makeReceipt } from '../matching/receipt.ts';
import type { MatchOffer, MatchPool } from '../matching/types.ts';
import { jobName, type Scheduler } from '../scheduling/scheduler.ts';
import { SignerRefusedError, type SignerClient } from '../signer/signer-client.ts';
import type { ValidatorEngine } from '../validation/validator-engine.ts';
import { callOf } from './call-data.ts';
import { type ChainTime, decideOfferActions, type OfferAction } from './offer-actions.ts';
import { headerOf, loadDocuments } from './offer-documents.ts';
import { holdLease } from './lease.ts';

type Hex = `0x${string}`;

export interface MarketEngineOptions {
  database: Database;
  provider: JsonRpcProvider;
  deployment: Deployment;
  swarm: SwarmClient;
  signer: SignerClient;
  scheduler: Scheduler;
  validators: ValidatorEngine;
  logger: Logger;
  /** Unique among replicas. */
  replica: string;
  awardConfirmations: number;
  /** Account that signs what anyone may call; without it only our own duties are done. */
  keeper: string | null;
}

const zeroAddress = `0x${'0'.repeat(40)}`;
const openStates = ['Funding', 'Bidding', 'Awarded', 'Training', 'Committed'];

/** Carries every offer from its funding to its settlement, as far as this deployment takes part in it. */
export class MarketEngine {
  private tick: Promise<void> | null = null;
  private again = false;
  private closed = false;

  constructor(private readonly options: MarketEngineOptions) {}

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
  }

  private async look(): Promise<void> {
    const { database, replica } = this.options;
    // Of several replicas one acts at a time; the others index and answer.
    if (!(await holdLease(database, 'market-engine', replica, 15_000))) return;
    const newest = await database.prisma.blockHeader.findFirst({ orderBy: { number: 'desc' } });
    if (newest === null) return;
    const now: ChainTime = { block: newest.number, timestamp: newest.timestamp };
    const held = await database.prisma.reservation.findMany({ where: { state: 'held' } });
    const open = await database.prisma.offer.findMany({
      where: { OR: [{ state: { in: openStates } }, { id: { in: held.map(({ offerId }) => offerId) } }] },
      select: { id: true },
    });
    const offers = await readOffers(
      open.map(({ id }) => id),
      database.prisma,
    );
    const pools = await database.prisma.pool.findMany();
    const accounts = new Set((await this.options.signer.accounts()).map((account) => account.toLowerCase()));
    const ours = pools.filter((pool) => accounts.has(pool.wallet.toLowerCase()));
    const jobs = new Map(
      (await database.prisma.trainingJob.findMany({ where: { offerId: { in: [...offers.keys()] } } })).map((job) => [
        job.offerId,
        job,
      ]),
    );
    const toMatch: OfferView[] = [];
    for (const offer of [...offers.values()].sort((a, b) => a.id - b.id)) {
      const receipt = await database.prisma.matchReceipt.findFirst({
        where: { offerId: offer.id },
        orderBy: { createdAt: 'desc' },
      });
      const own = {
        wallets: new Set(ours.map((pool) => pool.wallet.toLowerCase())),
        keeper: this.options.keeper,
        // An offer that nobody bid for is matched again: pools change. One that was bid for is not.
        matched:
          receipt?.poolId != null &&
          offer.bids.some((bid) =>
            ours.some((pool) => pool.id === receipt.poolId && pool.wallet.toLowerCase() === bid.trainer.toLowerCase()),
          ),
        job: jobs.get(offer.id) ?? null,
        reservationsHeld: held.some(({ offerId }) => offerId === offer.id),
      };
      for (const action of decideOfferActions(offer, own, now, this.options.awardConfirmations)) {
        const reservation = held.find(({ offerId }) => offerId === offer.id);
        if (action.kind !== 'match') await this.act(offer, action, ours);
        else if (reservation === undefined) toMatch.push(offer);
        // Decided already: the first decision stands, and its bid is one intent however often it is asked for.
        else await this.bid(offer.id, reservation, ours);
      }
      await this.options.validators.tend(offer, now);
    }
    await this.matchOffers(toMatch, ours, new Date(now.timestamp * 1000));
  }

  private async act(
    offer: OfferView,
    action: Exclude<OfferAction, { kind: 'match' }>,
    ours: readonly Pool[],
  ): Promise<void> {
    const { deployment, database, scheduler } = this.options;
    const name = jobName(deployment.chainId, deployment.market, offer.id);
    switch (action.kind) {
      case 'schedule': {
        const pool = ours.find((candidate) => candidate.wallet.toLowerCase() === action.account.toLowerCase());
        if (pool !== undefined)
          await scheduler.ensure({
            name,
            offerId: offer.id,
            poolId: pool.id,
            poolName: pool.name,
            header: headerOf(offer),
          });
        return;
      }
      case 'stopJob':
        await scheduler.stop(name);
        return;
      case 'releaseReservations':
        await database.prisma.reservation.updateMany({ where: { offerId: offer.id }, data: { state: 'released' } });
        return;
      case 'withdraw':
        await this.withdrawEarnings(offer, action.account);
        return;
      case 'commit':
        // Both must be retrievable before they are promised on chain.
        await this.options.swarm.open(action.logReference as Hex);
        await this.options.swarm.open(action.modelReference as Hex);
        break;
      default:
        break;
    }
    const call = callOf(action, offer.id, deployment);
    if (call !== null)
      await this.submit(`${action.kind}:${this.subject(offer, action.kind)}`, action.account, call.to, call.data, 0n);
  }

  /** What makes an intent of an offer unique: keeper's calls may be due several times, in different rounds. */
  private subject(offer: OfferView, kind: string): string {
    const { deployment } = this.options;
    const base = `${String(deployment.chainId)}:${deployment.market.toLowerCase()}:${String(offer.id)}`;
    const round = offer.rounds.at(-1);
    if (kind === 'draw') return `${base}:${String(round?.round ?? 0)}:${String(round?.drawBlock ?? 0)}`;
    if (kind === 'tally') return `${base}:${String(round?.round ?? 0)}`;
    if (kind === 'expireAward' || kind === 'start') return `${base}:${offer.trainer?.toLowerCase() ?? ''}`;
    return base;
  }

  private async submit(intentId: string, account: string, to: Hex, data: Hex, valueWei: bigint): Promise<void> {
    try {
      await this.options.signer.submit({ intentId, account: account as Hex, to, data, valueWei: String(valueWei) });
    } catch (error) {
      // The contract does not accept it now: somebody else was faster, or it is due a block later.
      if (!(error instanceof SignerRefusedError)) throw error;
      this.options.logger.info({ intentId, reason: error.message }, 'not accepted now');
    }
  }

  private async withdrawEarnings(offer: OfferView, account: string): Promise<void> {
    const { deployment, provider } = this.options;
    const token = (offer.terms['token'] as Hex | undefined) ?? zeroAddress;
    for (const each of new Set<string>([token, zeroAddress])) {
      const creditWei = await readContract(provider, {
        abi: trainingMarketAbi,
        address: deployment.market,
        functionName: 'credit',
        args: [account as Hex, each as Hex],
      });
      if (creditWei === 0n) continue;
      const { data } = encodeCall({ abi: trainingMarketAbi, functionName: 'withdraw', args: [each as Hex] });
      await this.submit(`withdraw:${this.subject(offer, 'withdraw')}:${each}`, account, deployment.market, data, 0n);
    }
  }

  // ---------------------------------------------------------------- matching

  private async matchOffers(offers: readonly OfferView[], ours: readonly Pool[], now: Date): Promise<void> {
    if (offers.length === 0 || ours.length === 0) return;
    const candidates: MatchOffer[] = [];
    for (const offer of offers) candidates.push(await this.matchOffer(offer));
    const pools = await Promise.all(ours.map((pool) => this.matchPool(pool)));
    for (const decision of match(candidates, pools, now)) {
      const offer = candidates.find(({ id }) => id === decision.offerId);
      if (offer === undefined) continue;
      const receipt = makeReceipt(decision, offer, pools, now);
      await this.recordDecision(receipt, offer);
      const { chosen } = decision;
      if (chosen !== null) await this.bid(offer.id, { poolId: chosen.poolId, priceWei: String(chosen.priceWei) }, ours);
    }
  }

  private async matchOffer(offer: OfferView): Promise<MatchOffer> {
    const documents = await loadDocuments(offer, this.options.database, this.options.swarm);
    const spec = documents.matchable ? documents.jobSpec : null;
    return {
      id: offer.id,
      bidding: offer.state === 'Bidding',
      specValid: spec !== null,
      runtime: spec?.runtime ?? 'tfjs/1',
      backends: spec?.backends ?? [],
      token: String(offer.terms['token']).toLowerCase(),
      gpuCount: spec?.resources.gpuCount ?? 0,
      gpuMemoryMiB: spec?.resources.gpuMemoryMiB ?? 0,
      cpuMilli: spec?.resources.cpuMilli ?? 0,
      memoryMiB: spec?.resources.memoryMiB ?? 0,
      gpuSeconds: spec?.resources.estimatedGpuSeconds ?? 1,
      trainingWindow: Number(offer.terms['trainingWindow']),
      rewardWei: BigInt(offer.rewardWei),
      minStakeWei: BigInt(String(offer.terms['minStakeWei'])),
    };
  }

  private async matchPool(pool: Pool): Promise<MatchPool> {
    const { database, deployment, provider } = this.options;
    const held = await database.prisma.reservation.findMany({ where: { poolId: pool.id, state: 'held' } });
    const [freeStakeWei] = await readContract(provider, {
      abi: trainerRegistryAbi,
      address: deployment.registry,
      functionName: 'stakeOf',
      args: [pool.wallet as Hex],
    });
    return {
      id: pool.id,
      paused: pool.paused,
      runtimes: pool.runtimes as MatchPool['runtimes'],
      backends: pool.backends as MatchPool['backends'],
      tokens: pool.tokens,
      gpuCount: pool.gpuCount,
      gpuMemoryMiB: pool.gpuMemoryMiB,
      cpuMilli: pool.cpuMilli,
      memoryMiB: pool.memoryMiB,
      floorPriceWeiPerGpuHour: BigInt(pool.floorPriceWeiPerGpuHour),
      marginBps: pool.marginBps,
      windows: pool.windows as unknown as MatchPool['windows'],
      maxParallelJobs: pool.maxParallelJobs,
      freeStakeWei,
      reservedGpuSeconds: held.reduce((sum, { gpuSeconds }) => sum + gpuSeconds, 0),
      reservedJobs: held.length,
    };
  }

  /** Receipt and reservation are written together; a decision that was made before is not recorded twice. */
  private async recordDecision(receipt: ReturnType<typeof makeReceipt>, offer: MatchOffer): Promise<void> {
    const same = await this.options.database.prisma.matchReceipt.findFirst({
      where: { offerId: receipt.offerId },
      orderBy: { createdAt: 'desc' },
    });
    const chosen = receipt.chosen;
    const previous = same?.receipt as { rejected?: unknown } | undefined;
    if (
      same !== null &&
      same.poolId === (chosen?.poolId ?? null) &&
      JSON.stringify(previous?.rejected) === JSON.stringify(receipt.rejected)
    )
      return;
    await this.options.database.prisma.$transaction(async (tx) => {
      await tx.matchReceipt.create({
        data: {
          id: `${String(receipt.offerId)}-${receipt.inputsHash.slice(2, 18)}`,
          offerId: receipt.offerId,
          inputsHash: receipt.inputsHash,
          poolId: chosen?.poolId ?? null,
          priceWei: chosen?.priceWei ?? null,
          receipt: receipt as unknown as Prisma.InputJsonObject,
        },
      });
      if (chosen !== null) {
        await tx.reservation.create({
          data: {
            offerId: receipt.offerId,
            poolId: chosen.poolId,
            gpuSeconds: offer.gpuSeconds,
            priceWei: chosen.priceWei,
          },
        });
      }
      await publish(tx, 'offer', receipt.offerId, {});
    });
  }

  private async bid(
    offerId: number,
    reservation: { poolId: string; priceWei: string },
    ours: readonly Pool[],
  ): Promise<void> {
    const { deployment, provider } = this.options;
    const pool = ours.find(({ id }) => id === reservation.poolId);
    if (pool === undefined) return;
    const bondWei = await readContract(provider, {
      abi: trainingMarketAbi,
      address: deployment.market,
      functionName: 'bidBondWei',
      args: [BigInt(offerId)],
    });
    const { data } = encodeCall({
      abi: trainingMarketAbi,
      functionName: 'bid',
      args: [BigInt(offerId), BigInt(reservation.priceWei)],
    });
    await this.submit(
      `bid:${String(deployment.chainId)}:${deployment.market.toLowerCase()}:${String(offerId)}:${pool.id}`,
      pool.wallet,
      deployment.market,
      data,
      bondWei,
    );
  }
}
