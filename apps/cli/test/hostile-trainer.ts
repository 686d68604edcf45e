import { encodeCall, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import {
  decodeLogEntry,
  encodeLogEntry,
  hashJobHeader,
  type Hex,
  type JobHeader,
  LOG_ENTRY_BYTES,
  LOG_HEADER_BYTES,
  parseReference,
} from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { trainJob } from '@cotrain/training';
import { JsonRpcProvider, type Wallet } from 'ethers';

/** What of the market a trainer talks to. */
export interface Contracts {
  market: Hex;
  registry: Hex;
}

/** A trainer with a program of his own: he bids, trains, and commits to a log in which one loss is another. */
export class HostileTrainer {
  private readonly wallet: Wallet;
  private readonly provider: JsonRpcProvider;
  private readonly swarm: SwarmClient;

  constructor(
    wallet: Wallet,
    private readonly urls: { rpcUrl: string; swarmUrl: string },
    private readonly contracts: Contracts,
  ) {
    this.provider = new JsonRpcProvider(urls.rpcUrl, 31_337, { staticNetwork: true, cacheTimeout: -1 });
    this.provider.pollingInterval = 200;
    this.wallet = wallet.connect(this.provider);
    this.swarm = new SwarmClient({ url: urls.swarmUrl });
  }

  async deposit(valueWei: bigint): Promise<void> {
    await this.send(
      this.contracts.registry,
      encodeCall({ abi: trainerRegistryAbi, functionName: 'deposit', args: [] }).data,
      valueWei,
    );
  }

  async bid(offerId: number, header: JobHeader, priceWei: bigint, bondWei: bigint): Promise<void> {
    const { data } = encodeCall({
      abi: trainingMarketAbi,
      functionName: 'bid',
      args: [BigInt(offerId), hashJobHeader(header), priceWei],
    });
    await this.send(this.contracts.market, data, bondWei);
  }

  async start(offerId: number): Promise<void> {
    const { data } = encodeCall({ abi: trainingMarketAbi, functionName: 'start', args: [BigInt(offerId)] });
    await this.send(this.contracts.market, data);
  }

  /** Trains as he should, and then lies about one batch. */
  async trainAndCommit(offerId: number, header: JobHeader, workdir: string): Promise<void> {
    const { logReference, modelReference } = await trainJob({ store: this.swarm, header, workdir });
    const log = await this.swarm.download(parseReference(logReference, 'log'), { maxBytes: 2 ** 24 });
    const forged = log.slice();
    const offset = LOG_HEADER_BYTES + 3 * LOG_ENTRY_BYTES;
    const entry = decodeLogEntry(forged.subarray(offset, offset + LOG_ENTRY_BYTES));
    forged.set(encodeLogEntry({ ...entry, loss: entry.loss * 0.5 }), offset);
    const forgedReference = await this.swarm.upload(forged);
    const { data } = encodeCall({
      abi: trainingMarketAbi,
      functionName: 'commit',
      args: [BigInt(offerId), forgedReference, modelReference],
    });
    await this.send(this.contracts.market, data);
  }

  close(): void {
    this.provider.destroy();
  }

  private async send(to: Hex, data: Hex, value = 0n): Promise<void> {
    const gasLimit = ((await this.wallet.estimateGas({ to, data, value })) * 3n) / 2n;
    const sent = await this.wallet.sendTransaction({ to, data, value, gasLimit });
    const receipt = await sent.wait();
    if (receipt?.status !== 1) throw new Error(`The transaction to ${to} failed.`);
  }
}
