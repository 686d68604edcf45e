import { cpus, loadavg, totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { AvailabilityWindow, Weekday } from '@cotrain/protocol';
import { type Command, InvalidArgumentError } from 'commander';
import { formatEther } from 'ethers';
import type { ApiClient } from '../client/api-client.ts';
import { sendTransaction } from '../client/send-transaction.ts';
import {
  connect,
  connectSigned,
  type ConnectionFlags,
  etherAmount,
  positiveInteger,
  printResult,
  withConnection,
} from './options.ts';
import { IdleDetector } from './idle-detector.ts';

interface RegisterFlags extends ConnectionFlags {
  name: string;
  floorPrice: bigint;
  margin: number;
  gpuCount: number;
  gpuMemoryMib: number;
  hours?: AvailabilityWindow[];
  stake?: bigint;
}
interface RunFlags extends RegisterFlags {
  idleAfter: number;
  maxLoad: number;
}

/** Reads hours such as `mon,tue@22:00+480@Europe/Berlin`: days, start, minutes, time zone. */
function hours(text: string, all: AvailabilityWindow[] = []): AvailabilityWindow[] {
  const parts = /^([a-z,]+)@(\d\d:\d\d)\+(\d+)@(.+)$/.exec(text);
  if (parts === null)
    throw new InvalidArgumentError('write DAYS@HH:MM+MINUTES@ZONE, such as sat,sun@00:00+1440@Europe/Berlin.');
  return [
    ...all,
    {
      days: (parts[1] ?? '').split(',') as Weekday[],
      start: parts[2] ?? '',
      durationMinutes: Number(parts[3]),
      timeZone: parts[4] ?? '',
    },
  ];
}

/** pool register, list, run. */
export function addPoolCommands(program: Command): void {
  const pool = program.command('pool').description('pools: capacity for sale');
  const capacity = (command: Command): Command =>
    withConnection(command)
      .requiredOption('--name <name>', 'name of the pool, a DNS label')
      .option('--floor-price <ETH>', 'least price of a GPU-hour', etherAmount, etherAmount('0.1'))
      .option('--margin <bps>', 'on top of the floor price, in hundredths of a percent', Number, 0)
      .option('--gpu-count <count>', 'GPUs', positiveInteger, 1)
      .option('--gpu-memory-mib <MiB>', 'memory of each GPU', positiveInteger, 8_192)
      .option('--hours <window>', 'when the pool takes work; repeat for more; always unless given', hours)
      .option('--stake <ETH>', 'deposit this stake first', etherAmount);
  capacity(pool.command('register').description('register a pool, or change the one of that name'))
    .addHelpText(
      'after',
      '\nExample:\n  $ cotrain pool register --name night-shift --floor-price 0.5 --hours mon,tue,wed,thu,fri@22:00+480@Europe/Berlin --stake 2 --key-file .cotrain/keys/pool-1\n',
    )
    .action(async (flags: RegisterFlags) => {
      const { id } = await register(flags);
      printResult(flags, { id }, () => [`pool ${id} is registered`]);
    });
  withConnection(pool.command('list').description('list pools')).action(async (flags: ConnectionFlags) => {
    const { api } = await connect(flags);
    const { pools } = await api.query<{ pools: { nodes: PoolAnswer[] } }>(
      '{ pools(first: 100) { nodes { id wallet gpuCount gpuMemoryMiB floorPriceWeiPerGpuHour paused } } }',
    );
    printResult(flags, pools.nodes, () =>
      pools.nodes.map(
        (each) =>
          `${each.id.padEnd(24)} ${String(each.gpuCount)} GPU, ${String(each.gpuMemoryMiB)} MiB, ${formatEther(each.floorPriceWeiPerGpuHour)} ETH an hour${each.paused ? ', paused' : ''}`,
      ),
    );
  });
  capacity(pool.command('run').description('offer this machine while it is idle; Ctrl-C pauses the pool'))
    .option('--idle-after <seconds>', 'how long the machine must be quiet before it takes work', positiveInteger, 300)
    .option('--max-load <load>', 'load per processor up to which the machine counts as quiet', Number, 0.5)
    .addHelpText(
      'after',
      '\nA pool of one machine: it takes new work only while you do not need the machine. A job that runs is not interrupted.\n\nExample:\n  $ cotrain pool run --name my-desk --floor-price 0.2 --idle-after 600 --key-file .cotrain/keys/pool-1\n',
    )
    .action(run);
}

interface PoolAnswer {
  id: string;
  wallet: string;
  gpuCount: number;
  gpuMemoryMiB: number;
  floorPriceWeiPerGpuHour: string;
  paused: boolean;
}

async function register(flags: RegisterFlags): Promise<{ id: string; api: ApiClient }> {
  const { api, wallet } = await connectSigned(flags);
  if (flags.stake !== undefined) {
    const deposit = await api.prepare(
      'prepareDepositStake',
      'trainer: $trainer, amountWei: $amountWei',
      '$trainer: String!, $amountWei: String!',
      { trainer: wallet.address, amountWei: String(flags.stake) },
    );
    await sendTransaction(wallet, deposit);
  }
  const { id } = await api.mutate<{ id: string }>(
    'registerPool',
    'mutation ($input: RegisterPoolInput!) { registerPool(input: $input) { __typename ... on Pool { id } ... on UnauthenticatedError { message } ... on ForbiddenError { message } ... on ValidationError { message } } }',
    {
      input: {
        name: flags.name,
        wallet: wallet.address,
        gpuCount: flags.gpuCount,
        gpuMemoryMiB: flags.gpuMemoryMib,
        cpuMilli: cpus().length * 1_000,
        memoryMiB: Math.floor(totalmem() / 2 ** 20),
        floorPriceWeiPerGpuHour: String(flags.floorPrice),
        marginBps: flags.margin,
        backends: ['tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu'],
        windows: flags.hours ?? [],
      },
    },
  );
  return { id, api };
}

async function run(flags: RunFlags): Promise<void> {
  const { id, api } = await register(flags);
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stopping.abort();
    });
  }
  const detector = new IdleDetector({ idleAfterMs: flags.idleAfter * 1000, maxLoad: flags.maxLoad });
  let paused: boolean | null = null;
  const setPaused = async (value: boolean, why: string): Promise<void> => {
    if (paused === value) return;
    await api.mutate(
      'setPoolPaused',
      'mutation ($id: ID!, $paused: Boolean!) { setPoolPaused(id: $id, paused: $paused) { __typename ... on ForbiddenError { message } ... on NotFoundError { message } } }',
      { id, paused: value },
    );
    paused = value;
    printResult(flags, { pool: id, paused: value, why }, () => [
      `${new Date().toISOString()} pool ${id} ${value ? 'pauses' : 'takes work'}: ${why}`,
    ]);
  };
  while (!stopping.signal.aborted) {
    const idle = detector.observe((loadavg()[0] ?? 0) / cpus().length, performance.now());
    await setPaused(!idle, idle ? 'the machine is idle' : 'the machine is in use');
    await delay(2_000, undefined, { signal: stopping.signal }).catch(() => undefined); // aborted: the loop's condition ends it
  }
  await setPaused(true, 'stopping');
}
