import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { addPool, EngineProcess, ethToken, LocalMarket, SignerProcess } from '@cotrain/api/testing';
import { interfaceOf, trainingMarketAbi } from '@cotrain/chain';
import type { JobHeader } from '@cotrain/protocol';
import { parseEther, parseUnits, Transaction } from 'ethers';
import type { BenchRow } from './bench-row.ts';

const offersPerSecond = 50;
const seconds = 20;
const offers = offersPerSecond * seconds;
/** Bid for before the clock starts: the figure is that of a service that is up, not of its first seconds. */
const warmUp = 100;
const distinctJobs = 50;
const poolWallets = [4, 5, 6, 7];
const rewardWei = parseEther('0.1');
const market = interfaceOf(trainingMarketAbi);

/** Passes JSON-RPC on and notes when each bid came by: that is when it was sent. */
class WireTap {
  /** Milliseconds (performance.now) by offer. */
  readonly bidSentAt = new Map<number, number>();
  requestsWithBids = 0;
  private readonly server: Server;
  private readonly target: string;

  constructor(target: string) {
    this.target = target;
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        this.note(body.toString());
        fetch(this.target, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
          .then(async (answer) => {
            response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
          })
          .catch(() => {
            response.destroy();
          });
      });
    });
  }

  listen(): Promise<string> {
    return new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', () => {
        const address = this.server.address();
        resolve(`http://127.0.0.1:${String(address !== null && typeof address === 'object' ? address.port : 0)}`);
      });
    });
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private note(body: string): void {
    const at = performance.now();
    const calls = [JSON.parse(body)].flat() as { method: string; params: string[] }[];
    let bids = 0;
    for (const { method, params } of calls) {
      if (method !== 'eth_sendRawTransaction') continue;
      const call = market.parseTransaction(Transaction.from(params[0] ?? '0x'));
      if (call?.name !== 'bid') continue;
      bids++;
      const offerId = Number(call.args[0]);
      if (!this.bidSentAt.has(offerId)) this.bidSentAt.set(offerId, at);
    }
    if (bids > 0) this.requestsWithBids++;
  }
}

/** When the block with an offer's BiddingStarted was there, looked for every 10 ms, until the signal. */
async function watchEvents(local: LocalMarket, startedAt: Map<number, number>, signal: AbortSignal): Promise<void> {
  let seen = await local.provider.getBlockNumber();
  const topics = market.encodeFilterTopics('BiddingStarted', []);
  while (!signal.aborted) {
    const head = Number(await local.provider.send('eth_blockNumber', []));
    const at = performance.now();
    if (head > seen) {
      const logs = await local.provider.getLogs({
        address: local.deployment.market,
        topics,
        fromBlock: seen + 1,
        toBlock: head,
      });
      for (const log of logs) startedAt.set(Number(market.parseLog(log)?.args['offerId']), at);
      seen = head;
    }
    await delay(10);
  }
}

/** Opens all offers, and signs what funds them: the requester's work is not to take time from what is measured. */
async function openOffers(local: LocalMarket): Promise<{ first: number; fundings: string[] }> {
  const requester = local.wallet(1);
  const payer = local.wallet(2);
  const headers: JobHeader[] = [];
  for (let seed = 1; seed <= distinctJobs; seed++)
    headers.push(
      await local.publish(BigInt(seed), {
        resources: { gpuMemoryMiB: 1, gpuCount: 1, cpuMilli: 100, memoryMiB: 64, estimatedGpuSeconds: 60 },
      }),
    );
  const first = (await local.offerCount()) + 1;
  const { market: to, chainId } = local.deployment;
  const fundings: string[] = [];
  let last = '';
  for (let index = 0; index < warmUp + offers; index++) {
    const header = headers[index % headers.length];
    if (header === undefined) throw new Error('no job');
    const call = local.openCall(header, payer, { rewardWei, minStakeWei: parseEther('0.05') });
    last = await local.send(requester, to, call, 0n, 700_000n);
    fundings.push(
      await payer.signTransaction({
        type: 2,
        chainId,
        nonce: index,
        to,
        data: local.fundCall(first + index, header),
        value: rewardWei + LocalMarket.feeWei(rewardWei),
        gasLimit: 300_000n,
        maxFeePerGas: parseUnits('100', 'gwei'),
        maxPriorityFeePerGas: parseUnits('1', 'gwei'),
      }),
    );
  }
  await local.mined(last);
  return { first, fundings };
}

async function load(local: LocalMarket, fundings: readonly string[]): Promise<void> {
  const started = performance.now();
  for (const [index, funding] of fundings.entries()) {
    const dueMs = started + (index * 1_000) / offersPerSecond - performance.now();
    if (dueMs > 0) await delay(dueMs);
    await local.provider.send('eth_sendRawTransaction', [funding]);
  }
}

/** @throws when not all of them came in time */
async function bidsSent(tap: WireTap, count: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (tap.bidSentAt.size < count && performance.now() < deadline) await delay(100);
  if (tap.bidSentAt.size < count) throw new Error(`${String(tap.bidSentAt.size)} of ${String(count)} offers got a bid`);
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;

/**
 * From the block that starts an offer's bidding to the bid's transaction on its way to the node: anvil with one block a
 * second, indexer, matching, documents from the embedded store, PGlite, and the signer in its own process. The first
 * offers warm the processes up and are not counted; whether jobs can be trained is not checked here.
 */
export async function run(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'cotrain-bench-bidding-'));
  const local = await LocalMarket.start({ blockTimeSeconds: 1, balanceEther: 1_000_000 });
  const tap = new WireTap(local.anvil.rpcUrl);
  const closers: (() => Promise<unknown>)[] = [
    () => local.close(),
    () => {
      tap.close();
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    },
  ];
  try {
    for (const index of poolWallets) await local.stake(local.wallet(index), parseEther('10000'));
    const signer = await SignerProcess.start({
      folder: join(folder, 'signer'),
      rpcUrl: await tap.listen(),
      deployment: local.deployment,
      keys: poolWallets.map((index) => local.wallet(index).privateKey),
    });
    closers.push(() => signer.stop());
    const pgliteFolder = join(folder, 'database');
    for (const [position, index] of poolWallets.entries())
      await addPool(
        { pgliteFolder },
        {
          id: `pool-${String(position)}`,
          wallet: local.wallet(index).address,
          gpuCount: 64,
          maxParallelJobs: 100_000,
          floorPriceWeiPerGpuHour: String(10n ** 15n),
          tokens: [ethToken],
        },
      );
    const { first, fundings } = await openOffers(local);
    const engine = await EngineProcess.start({
      pgliteFolder,
      rpcUrl: local.anvil.rpcUrl,
      deployment: local.deployment,
      swarmUrl: local.store.url,
      signerUrl: signer.url,
      signerToken: signer.token,
      workFolder: join(folder, 'jobs'),
      trainerCommand: ['false'],
      validators: [],
      keeper: null,
      replica: 'bench',
      pollMs: 100,
      leaseMs: 15_000,
    });
    closers.push(() => engine.stop());
    await load(local, fundings.slice(0, warmUp));
    await bidsSent(tap, warmUp);
    await delay(3_000); // for what is still to be done about all these offers: their documents
    const requestsBefore = tap.requestsWithBids;
    const startedAt = new Map<number, number>();
    const watching = new AbortController();
    const watch = watchEvents(local, startedAt, watching.signal);
    await load(local, fundings.slice(warmUp));
    await bidsSent(tap, warmUp + offers);
    watching.abort();
    await watch;
    const latencies = [...startedAt]
      .flatMap(([offerId, at]) => (tap.bidSentAt.get(offerId) ?? Infinity) - at)
      .sort((a, b) => a - b);
    if (startedAt.size !== offers || [...startedAt.keys()].some((offerId) => offerId < first + warmUp))
      throw new Error(`${String(startedAt.size)} offers opened their bidding, not ${String(offers)}`);
    const row = { bench: 'bidding', better: 'lower' as const, bar: null, peer: null, peerValue: null, unit: 'ms' };
    const load50 = `${String(offersPerSecond)} offers/s for ${String(seconds)} s`;
    return [
      { ...row, metric: `chain event to bid sent, p99, ${load50}`, value: percentile(latencies, 0.99), bar: 1_000 },
      { ...row, metric: 'chain event to bid sent, p50', value: percentile(latencies, 0.5) },
      {
        ...row,
        metric: 'bids in one request to the node',
        value: offers / (tap.requestsWithBids - requestsBefore),
        unit: 'bids',
        better: 'higher',
      },
    ];
  } finally {
    for (const closer of closers.reverse()) await closer();
  }
}
