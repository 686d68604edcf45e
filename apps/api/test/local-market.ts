import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Anvil,
  type AnvilOptions,
  deployContracts,
  type Deployment,
  encodeCall,
  interfaceOf,
  readContract,
  startAnvil,
  trainerRegistryAbi,
  trainingMarketAbi,
} from '@cotrain/chain';
import {
  encodeDatasetManifest,
  encodeJobSpec,
  encodeProgram,
  hashJobHeader,
  type Hex,
  type JobHeader,
  type JobSpec,
} from '@cotrain/protocol';
import { startSwarmStore, SwarmClient, type SwarmStore } from '@cotrain/swarm';
import { JsonRpcProvider, Wallet } from 'ethers';

export const oneEther = 10n ** 18n;
export const ethToken: Hex = `0x${'0'.repeat(40)}`;

export interface OfferTerms {
  rewardWei: bigint;
  minStakeWei: bigint;
  bidWindow: number;
  startWindow: number;
  trainingWindow: number;
}

const defaultTerms: OfferTerms = {
  rewardWei: oneEther,
  minStakeWei: oneEther / 2n,
  bidWindow: 3_600,
  startWindow: 600,
  trainingWindow: 7_200,
};

/** A chain with the contracts, a store with documents, and wallets that play requesters and pools. */
export class LocalMarket {
  readonly folder: string;
  readonly anvil: Anvil;
  readonly provider: JsonRpcProvider;
  readonly deployment: Deployment;
  readonly store: SwarmStore;
  readonly swarm: SwarmClient;
  readonly wallets: readonly Wallet[];
  private readonly nonces = new Map<string, number>();

  private constructor(parts: {
    folder: string;
    anvil: Anvil;
    provider: JsonRpcProvider;
    deployment: Deployment;
    store: SwarmStore;
  }) {
    this.folder = parts.folder;
    this.anvil = parts.anvil;
    this.provider = parts.provider;
    this.deployment = parts.deployment;
    this.store = parts.store;
    this.swarm = new SwarmClient({ url: parts.store.url });
    this.wallets = parts.anvil.accounts.map(({ privateKey }) => new Wallet(privateKey, parts.provider));
  }

  /** Account 0 deploys and keeps, 1 requests and pays; the others are free. */
  static async start(options: AnvilOptions = {}): Promise<LocalMarket> {
    const folder = mkdtempSync(join(tmpdir(), 'cotrain-market-'));
    const anvil = await startAnvil({ accounts: 40, ...options });
    const provider = new JsonRpcProvider(anvil.rpcUrl, anvil.chainId, { staticNetwork: true, cacheTimeout: -1 });
    provider.pollingInterval = 50;
    const deployer = new Wallet(anvil.accounts[0]?.privateKey ?? '', provider);
    const deployment = await deployContracts(deployer, { quorumSize: 3 });
    const store = await startSwarmStore({ dir: join(folder, 'swarm'), port: 0 });
    return new LocalMarket({ folder, anvil, provider, deployment, store });
  }

  async close(): Promise<void> {
    await this.store.close();
    this.provider.destroy();
    await this.anvil.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  wallet(index: number): Wallet {
    const wallet = this.wallets[index];
    if (wallet === undefined) throw new Error(`there is no account ${String(index)}`);
    return wallet;
  }

  /** Signs and sends without waiting; nonces are counted here, so that many may be sent at once. */
  async send(from: Wallet, to: string, data: Hex, valueWei = 0n, gasLimit = 1_500_000n): Promise<string> {
    const nonce = this.nonces.get(from.address) ?? (await this.provider.getTransactionCount(from.address, 'pending'));
    this.nonces.set(from.address, nonce + 1);
    const raw = await from.signTransaction({
      type: 2,
      chainId: this.deployment.chainId,
      nonce,
      to,
      data,
      value: valueWei,
      gasLimit,
      maxFeePerGas: 100n * 10n ** 9n,
      maxPriorityFeePerGas: 10n ** 9n,
    });
    return (await this.provider.send('eth_sendRawTransaction', [raw])) as string;
  }

  /** After the chain was set back. */
  forgetNonces(): void {
    this.nonces.clear();
  }

  /** Awards an offer whose bidding is over. */
  async award(offerId: number): Promise<void> {
    const { data } = encodeCall({ abi: trainingMarketAbi, functionName: 'award', args: [BigInt(offerId)] });
    await this.mined(await this.send(this.wallet(2), this.deployment.market, data));
  }

  /** @throws when it reverts */
  async mined(hash: string): Promise<void> {
    const receipt = await this.provider.waitForTransaction(hash, 1, 30_000);
    if (receipt?.status !== 1) throw new Error(`transaction ${hash} reverted`);
  }

  async stake(wallet: Wallet, amountWei: bigint): Promise<void> {
    const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'deposit', args: [] });
    await this.mined(await this.send(wallet, this.deployment.registry, data, amountWei));
  }

  /** Puts a job's documents on the store. Each seed is another job. */
  async publish(seed: bigint, changes: Partial<JobSpec> = {}): Promise<JobHeader> {
    const rows = 8;
    const rowBytes = 5;
    const trainingViewReference = await this.swarm.upload(Buffer.alloc(rows * rowBytes, 1));
    const manifestReference = await this.swarm.upload(
      encodeDatasetManifest({
        version: 'cotrain.dataset/1',
        name: 'noise',
        license: 'CC0-1.0',
        columns: [
          { name: 'x', role: 'input', dtype: 'uint8', shape: [4] },
          { name: 'y', role: 'target', dtype: 'uint8', shape: [1] },
        ],
        splits: { train: { viewReference: trainingViewReference, rows, rowBytes } },
      }),
    );
    const programReference = await this.swarm.upload(
      encodeProgram({
        version: 'cotrain.program/1',
        topology: { class_name: 'Sequential', config: { name: 'empty', layers: [] } },
        optimizer: { kind: 'sgd', learningRate: 0.1 },
        loss: 'meanSquaredError',
        metrics: [],
      }),
    );
    const initialStateReference = await this.swarm.upload(Buffer.alloc(16, 2));
    const spec: JobSpec = {
      version: 'cotrain.job/1',
      name: 'test job',
      runtime: 'tfjs/1',
      dataset: { manifestReference, trainSplit: 'train' },
      programReference,
      initialStateReference,
      seed: String(seed),
      steps: 4,
      batchSize: 2,
      commitEvery: 2,
      checkpointEvery: 2,
      backends: ['wasm', 'cpu'],
      resources: { gpuMemoryMiB: 0, gpuCount: 0, cpuMilli: 100, memoryMiB: 64, estimatedGpuSeconds: 60 },
      deadlineSeconds: 3_600,
      tolerance: { absolute: 0.001, relative: 0.01, drift: 0.01 },
      ...changes,
    };
    return {
      jobSpecReference: await this.swarm.upload(encodeJobSpec(spec)),
      programReference,
      trainingViewReference,
      initialStateReference,
      rows: BigInt(rows),
      rowBytes,
      seed,
      steps: spec.steps,
      batchSize: spec.batchSize,
      commitEvery: spec.commitEvery,
    };
  }

  /** Validation fee beside a reward: a hundredth. */
  static feeWei(rewardWei: bigint): bigint {
    return rewardWei / 100n;
  }

  /** Calldata that opens an offer with one payer, the requester. */
  openCall(header: JobHeader, payer: Wallet, changes: Partial<OfferTerms> = {}): Hex {
    const terms = { ...defaultTerms, ...changes };
    return encodeCall({
      abi: trainingMarketAbi,
      functionName: 'open',
      args: [
        header,
        {
          token: ethToken,
          validationFeeWei: LocalMarket.feeWei(terms.rewardWei),
          verifier: this.deployment.quorum,
          fundingWindow: 3_600,
          challengeWindow: 60,
          ...terms,
        },
        [payer.address as Hex],
        [1],
      ],
    }).data;
  }

  fundCall(offerId: number, header: JobHeader): Hex {
    return encodeCall({
      abi: trainingMarketAbi,
      functionName: 'fund',
      args: [BigInt(offerId), hashJobHeader(header)],
    }).data;
  }

  async offerCount(): Promise<number> {
    return Number(
      await readContract(this.provider, {
        abi: trainingMarketAbi,
        address: this.deployment.market,
        functionName: 'offerCount',
        args: [],
      }),
    );
  }

  /** Opens and funds an offer, so that bidding starts. Returns its id. */
  async offer(header: JobHeader, terms: Partial<OfferTerms> = {}): Promise<number> {
    const requester = this.wallet(1);
    const { market } = this.deployment;
    await this.mined(await this.send(requester, market, this.openCall(header, requester, terms)));
    const id = await this.offerCount();
    const rewardWei = terms.rewardWei ?? defaultTerms.rewardWei;
    const shareWei = rewardWei + LocalMarket.feeWei(rewardWei);
    await this.mined(await this.send(requester, market, this.fundCall(id, header), shareWei));
    return id;
  }

  /** Who has bid for an offer, from the contract's events: one entry for each bid that was ever mined. */
  async bidders(offerId: number): Promise<string[]> {
    const market = interfaceOf(trainingMarketAbi);
    const topics = market.encodeFilterTopics('BidPlaced', [offerId]);
    const logs = await this.provider.getLogs({ address: this.deployment.market, topics, fromBlock: 0 });
    return logs.map((log) => String(market.parseLog(log)?.args['trainer']));
  }
}

/** A seed that no other test uses. */
export function freshSeed(): bigint {
  return randomBytes(8).readBigUInt64BE();
}
