import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ApiClient,
  etherToken,
  fundOffer,
  type JobAnswer,
  localRoles,
  joinValidators,
  type OfferAnswer,
  openOffer,
  publishJob,
  pushDataset,
  sendTransaction,
  Signatory,
  type Stack,
  startStack,
} from '@cotrain/cli';
import { encodeCall, trainerRegistryAbi } from '@cotrain/chain';
import { canonicalJson, decodeProgram, encodeRow, type Program, type ViewColumn } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { parseEther, Wallet } from 'ethers';
import { FailingNetwork } from './failing-network.ts';

// A whole offer while the network fails at one step after the other, and while the chain takes an award back.

const folder = mkdtempSync(join(tmpdir(), 'cotrain-faults-'));
const networks: Partial<Record<'rpc' | 'swarm', FailingNetwork>> = {};
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };
let stack: Stack;
let api: ApiClient;

const columns: ViewColumn[] = [
  { name: 'point', role: 'input', dtype: 'float32', shape: [2] },
  { name: 'above', role: 'target', dtype: 'uint8', shape: [] },
];

beforeAll(async () => {
  stack = await startStack({
    folder,
    logger: quiet,
    async through(endpoint, url) {
      const network = await FailingNetwork.before(url);
      networks[endpoint] = network;
      return network.url;
    },
  });
  api = new ApiClient(stack.api.graphqlUrl);
  await joinValidators(stack);
  const wallet = walletOf(localRoles.pools[0]);
  const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'deposit', args: [] });
  await sendTransaction(wallet, { to: stack.deployment.registry, data, valueWei: String(parseEther('4')) });
  const owner = await signedIn(wallet);
  await owner.mutate(
    'registerPool',
    'mutation ($input: RegisterPoolInput!) { registerPool(input: $input) { __typename ... on Pool { id } ... on ValidationError { message } } }',
    {
      input: {
        name: 'honest',
        wallet: wallet.address,
        gpuCount: 1,
        gpuMemoryMiB: 8_192,
        cpuMilli: 2_000,
        memoryMiB: 8_192,
        floorPriceWeiPerGpuHour: String(parseEther('1')),
        maxParallelJobs: 2,
      },
    },
  );
}, 180_000);
afterAll(async () => {
  for (const network of Object.values(networks)) network.mend();
  await stack.close();
  for (const network of Object.values(networks)) network.close();
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

function walletOf(role: number): Wallet {
  return new Wallet(stack.anvil.accounts[role]?.privateKey ?? '', stack.provider);
}

async function signedIn(wallet: Wallet): Promise<ApiClient> {
  const client = new ApiClient(stack.api.graphqlUrl);
  await client.signIn(wallet, stack.deployment.chainId);
  return client;
}

function dense(name: string, units: number, activation: string, first: object = {}): object {
  const kernel_initializer = { class_name: 'GlorotUniform', config: {} };
  const bias_initializer = { class_name: 'Zeros', config: {} };
  return {
    class_name: 'Dense',
    config: { name, units, activation, use_bias: true, kernel_initializer, bias_initializer, ...first },
  };
}

function tinyProgram(): Program {
  const layers = [
    dense('hidden', 8, 'relu', { batch_input_shape: [null, 2], dtype: 'float32' }),
    dense('out', 2, 'softmax'),
  ];
  return decodeProgram(
    canonicalJson(
      {
        version: 'cotrain.program/1',
        topology: { class_name: 'Sequential', config: { name: 'tiny', layers } },
        optimizer: { kind: 'sgd', learningRate: 0.1 },
        loss: 'sparseCategoricalCrossentropy',
        metrics: ['accuracy'],
      },
      64,
    ),
  );
}

/** Opens an offer that one company pays for. */
async function offer(seed: bigint, steps: number, bidWindow: number): Promise<number> {
  const swarm = new SwarmClient({ url: stack.store.url });
  const rows = Array.from({ length: 300 }, (_, index) => [Math.sin(index * 12.9), Math.cos(index * 78.2)] as const);
  const { manifestReference } = await pushDataset(swarm, {
    name: 'points',
    license: 'MIT',
    columns,
    splits: {
      train: () =>
        rows.map(([a, b]) =>
          encodeRow(
            columns,
            new Map([
              ['point', [a, b]],
              ['above', [a > b ? 1 : 0]],
            ]),
          ),
        ),
    },
  });
  const jobSpecReference = await publishJob(swarm, tinyProgram(), {
    name: `points ${String(seed)}`,
    dataset: { manifestReference, trainSplit: 'train' },
    seed,
    steps,
    batchSize: 16,
    commitEvery: 100,
    runtime: 'tfjs/1',
    backends: ['wasm', 'cpu'],
    gpuMemoryMiB: 1_024,
    estimatedGpuSeconds: 60,
    deadlineSeconds: 3_600,
  });
  const company = walletOf(localRoles.payers[0]);
  const account = new Signatory({
    api: await signedIn(company),
    wallet: company,
    contracts: () => Promise.resolve(stack.deployment),
  });
  const { offerId } = await openOffer(account, swarm, {
    jobSpecReference,
    rewardWei: parseEther('1'),
    validationFeeWei: parseEther('0.01'),
    minStakeWei: parseEther('1'),
    fundingWindow: 3_600,
    bidWindow,
    startWindow: 600,
    trainingWindow: 3_600,
    challengeWindow: 3,
    payers: [{ address: company.address, units: 1 }],
  });
  await api.waitFor(
    'the offer to be indexed',
    () => find(offerId),
    (found) => found !== null,
    60_000,
  );
  await fundOffer(account, offerId, etherToken);
  return offerId;
}

async function find(id: number): Promise<Pick<OfferAnswer, 'state' | 'bids'> | null> {
  return (
    await api.query<{ offer: Pick<OfferAnswer, 'state' | 'bids'> | null }>(
      'query ($id: Int!) { offer(id: $id) { state bids { trainer priceWei } } }',
      { id },
    )
  ).offer;
}

async function findJob(id: number): Promise<Pick<JobAnswer, 'state' | 'step'> | null> {
  return (
    await api.query<{ job: Pick<JobAnswer, 'state' | 'step'> | null }>(
      'query ($id: Int!) { job(offerId: $id) { state step } }',
      { id },
    )
  ).job;
}

const reached = (id: number, ...states: string[]): Promise<unknown> =>
  api.waitFor(
    `offer ${String(id)} to be ${states.join(' or ')}`,
    () => find(id),
    (o) => states.includes(o?.state ?? ''),
    240_000,
  );

/** What readiness says while an endpoint is away, and how long it stays away. */
async function outage(endpoint: 'rpc' | 'swarm', ms: number): Promise<Record<string, unknown>> {
  networks[endpoint]?.cut();
  await delay(ms);
  const response = await fetch(stack.api.graphqlUrl.replace('graphql', 'ready'));
  const ready = (await response.json()) as Record<string, unknown>;
  networks[endpoint]?.mend();
  return { status: response.status, ...ready };
}

describe('an offer', () => {
  it('ends paid, with one bid, though chain and store go away at one step after the other', async () => {
    const id = await offer(1n, 20_000, 15);
    const bidding = await outage('rpc', 6_000);
    expect(bidding).toMatchObject({ status: 503, ready: false, swarm: 'ok' });
    expect(bidding['chain']).not.toBe('ok');

    await reached(id, 'Training');
    await api.waitFor(
      'the job to run',
      () => findJob(id),
      (job) => (job?.step ?? 0) > 0,
      120_000,
    );
    const training = await outage('swarm', 6_000);
    expect(training).toMatchObject({ status: 503, ready: false, chain: 'ok' });
    expect(training['swarm']).not.toBe('ok');
    await outage('rpc', 4_000);

    await reached(id, 'Committed', 'Paid');
    await outage('swarm', 4_000);
    await outage('rpc', 4_000);

    await reached(id, 'Paid');
    expect((await find(id))?.bids).toHaveLength(1);
    const response = await fetch(stack.api.graphqlUrl.replace('graphql', 'ready'));
    expect(await response.json()).toMatchObject({ ready: true });
  }, 400_000);

  it('whose award the chain takes back has its job stopped, and trained when it is awarded again', async () => {
    const id = await offer(2n, 400_000, 20);
    await api.waitFor(
      'a bid',
      () => find(id),
      (found) => found?.bids.length === 1,
      60_000,
    );
    const snapshot = (await stack.provider.send('evm_snapshot', [])) as string;
    const { timestamp } = (await stack.provider.getBlock('latest')) ?? { timestamp: 0 };
    await api.waitFor(
      'the job to run',
      () => findJob(id),
      (job) => (job?.step ?? 0) > 0,
      180_000,
    );
    const jobsBefore = trainersOf(id);
    expect(jobsBefore).toHaveLength(1);

    // The chain goes back to before the award, and its clock with it: bids are taken for a while longer.
    await stack.provider.send('evm_setIntervalMining', [0]);
    await stack.provider.send('evm_revert', [snapshot]);
    await stack.provider.send('evm_setNextBlockTimestamp', [timestamp + 1]);
    await stack.provider.send('evm_mine', []);
    await stack.provider.send('evm_setIntervalMining', [1]);
    await api.waitFor(
      'the job to stop',
      () => findJob(id),
      (job) => job?.state === 'Stopped',
      60_000,
    );
    expect(trainersOf(id)).toEqual([]);
    await api.waitFor(
      'the job to run again',
      () => findJob(id),
      (job) => job?.state === 'Running',
      180_000,
    );
  }, 400_000);
});

/** Trainers that run for an offer: their work folder is named after it and the hash of its header. */
function trainersOf(id: number): string[] {
  if (!existsSync('/proc')) return [];
  const ofTheOffer = new RegExp(`-${String(id)}-[0-9a-f]+$`);
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    return commandLine(pid).some((argument) => argument.startsWith(join(folder, 'jobs')) && ofTheOffer.test(argument));
  });
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // it ended meanwhile
  }
}
