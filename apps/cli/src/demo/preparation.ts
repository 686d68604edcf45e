import { encodeCall, trainerRegistryAbi } from '@cotrain/chain';
import type { Wallet } from 'ethers';
import { sendTransaction } from '../client/send-transaction.ts';
import { mnistColumns, mnistDescription, readMnist } from '../datasets/mnist.ts';
import { type PushedDataset, pushDataset } from '../datasets/push-dataset.ts';
import { joinValidators, validatorStakeWei } from '../stack/join-validators.ts';
import { ether } from '../terminal/amount.ts';
import { cheat, type PoolPlan, pools, stakeWei } from './cast.ts';
import type { Stage } from './stage.ts';

/** Pools and validators put up their stakes; the pools that are open from the start register. */
export async function putUpStakes(stage: Stage): Promise<void> {
  const { story, stack } = stage;
  story.heading('1. Pools and validators put up their stakes');
  const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'deposit', args: [] });
  const { registry } = stack.deployment;
  await Promise.all([
    ...stage.pools.map((wallet) => sendTransaction(wallet, { to: registry, data, valueWei: String(stakeWei) })),
    joinValidators(stack),
  ]);
  for (const [index, pool] of pools.entries()) await registerPool(stage, pool, stage.pools[index]);
  story.line(
    `  each pool deposited ${ether(stakeWei)} ETH; three validators joined with ${ether(validatorStakeWei)} ETH each`,
  );
}

/** The cheat registers when the first offer is over; his stake is there already. */
export async function registerCheat(stage: Stage): Promise<void> {
  await registerPool(stage, cheat, stage.pools[pools.length]);
  stage.story.line(
    '  its trainer changes the last bit of one weight, once: far less than float32 itself differs between machines',
  );
}

async function registerPool(stage: Stage, pool: PoolPlan, wallet: Wallet | undefined): Promise<void> {
  if (wallet === undefined) throw new RangeError(`There is no account for pool ${pool.name}.`);
  const api = await stage.signedIn(wallet);
  await api.mutate(
    'registerPool',
    'mutation ($input: RegisterPoolInput!) { registerPool(input: $input) { __typename ... on Pool { id } ... on Failure { message } } }',
    {
      input: {
        name: pool.name,
        wallet: wallet.address,
        gpuCount: 1,
        gpuMemoryMiB: pool.gpuMemoryMiB,
        cpuMilli: 2_000,
        memoryMiB: 8_192,
        floorPriceWeiPerGpuHour: String(pool.floorPriceWeiPerGpuHour),
        marginBps: 500,
      },
    },
  );
  stage.story.line(`  pool ${pool.name.padEnd(13)} ${pool.note}`);
}

/** Real data goes to Swarm. */
export async function packDataset(stage: Stage): Promise<PushedDataset> {
  const { story, swarm } = stage;
  story.heading('2. A dataset goes to Swarm');
  const dataset = await pushDataset(
    swarm,
    { ...mnistDescription, columns: mnistColumns, splits: readMnist() },
    (split, rows) => {
      story.progress(rows, 40_000, `${split}: ${String(rows)} rows`);
    },
  );
  const { train, test } = dataset.manifest.splits;
  const count = (rows = 0): string => rows.toLocaleString('en');
  story.line(
    `  MNIST: ${count(test?.rows)} digits for testing; the others for training, each five times, shifted by a pixel: ${count(train?.rows)} rows; ${(dataset.bytes / 1e6).toFixed(1)} MB`,
  );
  story.line(`  manifest ${dataset.manifestReference}`);
  return dataset;
}
