import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Anvil,
  deployContracts,
  type Deployment,
  type DeploymentParameters,
  interfaceOf,
  type Logger,
  MemoryIntentStore,
  startAnvil,
  trainerRegistryAbi,
  trainingMarketAbi,
} from '@cotrain/chain';
import { canonicalJson, decodeProgram, encodeDatasetManifest, encodeJobSpec, encodeProgram } from '@cotrain/protocol';
import { startSwarmStore, SwarmClient, type SwarmStore } from '@cotrain/swarm';
import { JsonRpcProvider, NonceManager, Wallet } from 'ethers';
import { startSigner, type Signer } from '../src/signer/signer-server.ts';
import { type Api, type ApiOptions, startApi } from '../src/start-api.ts';
import { trustingChecker } from './trusting-checker.ts';

export const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined };

/** A logger that keeps what is logged. */
export function recordingLogger(): Logger & { lines: { fields: Record<string, unknown>; message: string }[] } {
  const lines: { fields: Record<string, unknown>; message: string }[] = [];
  const log = (fields: object, message: string): void => {
    lines.push({ fields: fields as Record<string, unknown>, message });
  };
  return { lines, debug: log, info: log, warn: log };
}

/** Everything that an API stands on, for real: chain, contracts, store, signer. */
export interface TestStack {
  anvil: Anvil;
  provider: JsonRpcProvider;
  deployment: Deployment;
  store: SwarmStore;
  swarm: SwarmClient;
  signer: Signer;
  signerToken: string;
  wallets: Wallet[];
  /** Starts an API on it; it is closed with the stack if it is not before. */
  api(options?: Partial<ApiOptions>): Promise<Api>;
  /** Puts documents of a small job on the store; returns the JobSpec's reference. */
  publishJob(): Promise<string>;
  close(): Promise<void>;
}

/**
 * Accounts 0: keeper and deployer, 1 to 3: users, 4 and 5: the signer's pools.
 * @param signerAccounts whose keys the signer holds; a pool of any other account is refused
 */
export async function startTestStack(
  parameters: DeploymentParameters = {},
  signerAccounts: readonly number[] = [0, 4, 5],
): Promise<TestStack> {
  const folder = mkdtempSync(join(tmpdir(), 'cotrain-api-'));
  const closers: (() => Promise<unknown>)[] = [
    () => {
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    },
  ];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  const anvil = await startAnvil();
  closers.push(() => anvil.close());
  const provider = new JsonRpcProvider(anvil.rpcUrl, anvil.chainId, { staticNetwork: true, cacheTimeout: -1 });
  provider.pollingInterval = 50;
  closers.push(() => Promise.resolve(provider.destroy()));
  const wallets = anvil.accounts.map(({ privateKey }) => new Wallet(privateKey, provider));
  const deployment = await deployContracts(new NonceManager(wallets[0]!), parameters);
  const store = await startSwarmStore({ dir: join(folder, 'swarm'), port: 0 });
  closers.push(() => store.close());
  const signerToken = randomBytes(32).toString('base64url');
  const functions = ['bid', 'award', 'start', 'commit', 'finalize', 'expireFunding', 'expireAward', 'expireTraining'];
  const signer = await startSigner({
    provider,
    keys: signerAccounts.map((index) => wallets[index]!.privateKey),
    store: new MemoryIntentStore(),
    policy: {
      allow: functions.map((name) => ({
        to: deployment.market,
        selector: interfaceOf(trainingMarketAbi).getFunction(name)!.selector,
        name,
        maxValueWei: String(10n ** 19n),
      })),
      dailyValueWei: String(10n ** 21n),
    },
    token: signerToken,
    logger: silent,
    errorAbi: [...trainingMarketAbi, ...trainerRegistryAbi].filter(({ type }) => type === 'error'),
    confirmations: 1,
    pollMs: 100,
  });
  closers.push(() => signer.close());
  const swarm = new SwarmClient({ url: store.url });
  return {
    anvil,
    provider,
    deployment,
    store,
    swarm,
    signer,
    signerToken,
    wallets,
    async api(options = {}) {
      const api = await startApi({
        rpcUrl: anvil.rpcUrl,
        deployment,
        swarmUrl: store.url,
        signerUrl: signer.url,
        signerToken,
        workFolder: join(folder, 'jobs'),
        trainerCommands: { default: [process.execPath, '-e', 'setInterval(() => {}, 1000)'] },
        checker: trustingChecker,
        validators: [],
        keeper: wallets[0]!.address,
        awardConfirmations: 0,
        pollMs: 100,
        logger: silent,
        ...options,
      });
      let closed = false;
      const closeOnce = async (): Promise<void> => {
        if (closed) return;
        closed = true;
        await api.close();
      };
      closers.push(closeOnce);
      return { ...api, close: closeOnce };
    },
    publishJob: () => publishJob(swarm),
    close,
  };
}

async function publishJob(swarm: SwarmClient): Promise<string> {
  const rows = 8;
  const rowBytes = 784 + 1;
  const manifestReference = await swarm.upload(
    encodeDatasetManifest({
      version: 'cotrain.dataset/1',
      name: 'noise',
      license: 'CC0-1.0',
      columns: [
        { name: 'image', role: 'input', dtype: 'uint8', shape: [784], scale: 1 / 255 },
        { name: 'digit', role: 'target', dtype: 'uint8', shape: [1] },
      ],
      splits: { train: { viewReference: await swarm.upload(randomBytes(rows * rowBytes)), rows, rowBytes } },
    }),
  );
  const programFile = join(import.meta.dirname, '../../../libs/training/examples/mnist-mlp.program.json');
  const program = decodeProgram(canonicalJson(JSON.parse(readFileSync(programFile, 'utf8')), 64));
  return swarm.upload(
    encodeJobSpec({
      version: 'cotrain.job/1',
      name: 'small',
      runtime: 'tfjs/1',
      dataset: { manifestReference, trainSplit: 'train' },
      programReference: await swarm.upload(encodeProgram(program)),
      initialStateReference: await swarm.upload(randomBytes(64)),
      seed: '7',
      steps: 4,
      batchSize: 2,
      commitEvery: 2,
      checkpointEvery: 2,
      backends: ['cpu'],
      resources: { gpuMemoryMiB: 0, gpuCount: 0, cpuMilli: 100, memoryMiB: 64, estimatedGpuSeconds: 1 },
      deadlineSeconds: 600,
      tolerance: { absolute: 0.001, relative: 0.01, drift: 0.01 },
    }),
  );
}
