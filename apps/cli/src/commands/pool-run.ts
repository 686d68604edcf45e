import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import type { ApiClient } from '../client/api-client.ts';
import { Connection } from '../client/connection.ts';
import { depositStake } from '../client/deposit-stake.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import type { JobAnswer } from '../client/offer-queries.ts';
import { poolPrice } from '../client/pool-price.ts';
import { IdleDetector } from '../pool-node/idle-detector.ts';
import { MachineLoad } from '../pool-node/machine-load.ts';
import { startPoolNode } from '../pool-node/pool-node.ts';
import { jsonLine } from '../terminal/result.ts';
import { stopSignal } from '../terminal/stop-signal.ts';
import { registerPool, type RunFlags, setPoolPaused } from './pool-commands.ts';

const sampleMs = 2_000;

/** pool run: this machine as a pool of its own, while nobody else needs it. */
export async function runPool(flags: RunFlags): Promise<void> {
  if (flags.maxLoad > 1)
    throw new CommandError(exitCodes.usage, `--max-load is ${String(flags.maxLoad)}: give a part, from 0 to 1.`);
  const stopping = stopSignal();
  const connection = new Connection(flags);
  const account = await connection.signedIn();
  const { wallet } = account;
  const say = (event: object, text: string): void => {
    console.log(flags.json === true ? jsonLine(event) : `${new Date().toISOString()} ${text}`);
  };
  const price = await poolPrice(connection, flags.floorPrice, flags.token);
  // What its signer will sign, without asking again, is for these contracts.
  const contracts = await account.contracts();
  await account.consent(`${contracts.market}, whose offers this pool bids for`);
  if (flags.stake !== undefined) await depositStake(account, wallet.address, flags.stake);
  const node = await startPoolNode({
    folder: join(flags.dir, 'pools', flags.name.replaceAll(/[^a-z0-9-]/g, '_')),
    wallet,
    deployment: {
      chainId: Number((await account.provider.getNetwork()).chainId),
      ...contracts,
      verifiers: { SAMPLED: contracts.quorum },
      deployedAtBlock: flags.fromBlock,
    },
    rpcUrl: await connection.url('rpc'),
    swarmUrl: await connection.url('swarm'),
    confirmations: flags.confirmations,
    maxBondWei: flags.maxBond,
    logger: pino({ level: flags.logLevel }, pino.destination(2)),
    logLevel: flags.logLevel,
  });
  try {
    const { id } = await registerPool(node.client, wallet.address, flags, price);
    say(
      { event: 'started', pool: id, wallet: wallet.address, graphqlUrl: node.api.graphqlUrl },
      `pool ${id} with ${String(availableParallelism())} processors, paid to ${wallet.address}; its own API: ${node.api.graphqlUrl}`,
    );
    await offerWhileIdle(node.client, id, flags, stopping, say);
  } finally {
    await node.close();
  }
  say({ event: 'stopped' }, 'stopped');
}

async function offerWhileIdle(
  client: ApiClient,
  id: string,
  flags: RunFlags,
  stopping: AbortSignal,
  say: (event: object, text: string) => void,
): Promise<void> {
  const detector = new IdleDetector({ idleAfterMs: flags.idleAfter * 1000, maxLoad: flags.maxLoad });
  const load = new MachineLoad();
  const jobs = new Map<number, string>();
  let paused: boolean | null = null;
  const pause = async (value: boolean, why: string): Promise<void> => {
    if (paused === value) return;
    await setPoolPaused(client, id, value);
    paused = value;
    say({ event: value ? 'paused' : 'resumed', pool: id, why }, `${value ? 'paused' : 'takes work'}: ${why}`);
  };
  // Paused until the machine has been idle for long enough; a pool that was running before starts like that too.
  await pause(flags.idleAfter > 0, 'looking whether the machine is idle');
  while (!stopping.aborted) {
    await delay(sampleMs, undefined, { signal: stopping }).catch(() => undefined); // stopped: the condition ends it
    if (stopping.aborted) break;
    const idle = detector.observe(load.sample(), performance.now());
    await pause(!idle, idle ? 'the machine is idle' : 'the machine is in use');
    await tellJobs(client, jobs, say);
  }
  await pause(true, 'stopping');
  if ([...jobs.values()].includes('Running'))
    say(
      { event: 'interrupted' },
      'a job is not finished: start `cotrain pool run` again in its time, or the stake is lost',
    );
}

async function tellJobs(
  client: ApiClient,
  known: Map<number, string>,
  say: (event: object, text: string) => void,
): Promise<void> {
  const { jobs } = await client.query<{ jobs: { nodes: (JobAnswer & { offerId: number })[] } }>(
    '{ jobs(first: 20) { nodes { offerId state step steps testAccuracy failure } } }',
  );
  for (const job of jobs.nodes) {
    if (known.get(job.offerId) === job.state) continue;
    known.set(job.offerId, job.state);
    say(
      { event: 'job', ...job },
      `job of offer ${String(job.offerId)}: ${job.state}${job.failure === null ? '' : `, ${job.failure}`}`,
    );
  }
}
