import { cpus, totalmem } from 'node:os';
import { type AvailabilityWindow, type BackendName, backendNames } from '@cotrain/protocol';
import { type Command, Option } from 'commander';
import type { ApiClient } from '../client/api-client.ts';
import { Connection, type ConnectionFlags, withConnection, withKey, withMarket } from '../client/connection.ts';
import { hours } from '../client/parse-hours.ts';
import {
  backend,
  decimal,
  decimalAmount,
  etherAmount,
  positiveInteger,
  tokenAddress,
  wholeNumber,
} from '../client/parse-value.ts';
import { poolPrice, type PoolPrice } from '../client/pool-price.ts';
import { depositStake } from '../client/deposit-stake.ts';
import { TokenBook } from '../client/token-book.ts';
import type { LogLevel } from '../stack/api-process.ts';
import { printResult } from '../terminal/result.ts';
import { runPool } from './pool-run.ts';

export interface CapacityFlags extends ConnectionFlags {
  name: string;
  token?: string[];
  floorPrice: string;
  margin: number;
  gpuCount: number;
  gpuMemoryMib: number;
  backend?: BackendName[];
  hours?: AvailabilityWindow[];
  stake?: bigint;
}
export interface RunFlags extends CapacityFlags {
  idleAfter: number;
  maxLoad: number;
  fromBlock: number;
  confirmations: number;
  maxBond: bigint;
  logLevel: LogLevel;
}

const registerExample = `
The pool bids with the address of your key, which the API's signer must hold; on the local stack it holds those of
.cotrain/keys/pool-1 to pool-4. A pool of your own machine needs no such API: see \`cotrain pool run\`.
The floor price is one number for all tokens of a pool, so they must have the same decimals; register another pool for
what has another price. The stake is in ETH whatever the token.

Examples:
  $ cotrain pool register --name night-shift --floor-price 0.5 --hours weekdays@22:00+480@Europe/Berlin \\
      --stake 2 --key-file .cotrain/keys/pool-1
  $ cotrain pool register --name for-dollars --token 0x... --floor-price 1.5 --key-file .cotrain/keys/pool-1
`;

const runExample = `
Runs what it takes on this machine: a signer with your key, and an API that looks for offers, bids and trains. The
signer gets the key in its memory, not in a file of the pool's folder, and signs no bid with a bond above --max-bond.

It takes new work in its hours while others leave the processors alone. When they do not, it stops
taking new work, and nothing else: a job that runs already goes on at low priority, because your stake is lost if an
awarded job is not finished in its time. Ctrl-C stops everything; a job that was running goes on from its checkpoint
with the next \`pool run\`.

Examples:
  $ cotrain pool run --name my-desk --floor-price 0.2 --stake 1 --key-file .cotrain/keys/pool-1
  $ cotrain pool run --name my-desk --floor-price 0.2 --hours daily@22:00+600@Europe/Berlin --idle-after 600 \\
      --api https://api.example.org/graphql --rpc https://rpc.example.org --swarm http://localhost:1633 \\
      --market 0x5FbDB2315678afecb367f032d93F642f64180aa3 --from-block 7000000 --key-file key
`;

/** pool register, run, list, pause, resume. */
export function addPoolCommands(program: Command): void {
  const pool = program.command('pool').description('pools: capacity for sale');
  const register = pool.command('register').description('register a pool, or change the one of that name');
  capacity(withMarket(withConnection(register, ['api', 'rpc'])))
    .addHelpText('after', registerExample)
    .action(async (flags: CapacityFlags) => {
      const connection = new Connection(flags);
      const account = await connection.signedIn();
      const { api, wallet } = account;
      const price = await poolPrice(connection, flags.floorPrice, flags.token);
      // Registered first: the API may refuse, and stake is taken back only after a waiting time.
      const { id } = await registerPool(api, wallet.address, flags, price);
      if (flags.stake !== undefined) await depositStake(account, wallet.address, flags.stake);
      printResult(flags, { id, wallet: wallet.address }, () => [`pool ${id} is registered`]);
    });
  const run = pool.command('run').description('take work for this one machine while it is idle, until Ctrl-C');
  capacity(withMarket(withConnection(run, ['api', 'rpc', 'swarm'], 'a JSON line for each change')))
    .option('--idle-after <seconds>', 'how long others must leave the machine alone', wholeNumber, 300)
    .option('--max-load <part>', 'part of the processors that others may use meanwhile, 0 to 1', decimal, 0.25)
    .option('--from-block <number>', "block of the market's deployment, to search its events from", wholeNumber, 0)
    .option('--confirmations <blocks>', 'blocks before an award or a transaction counts as final', wholeNumber, 2)
    .addOption(
      new Option(
        '--max-bond <ETH>',
        'largest bond that the signer signs for one bid; ten of them a day; a bond is 1 % of a reward in ETH',
      )
        .argParser(etherAmount)
        .default(etherAmount('0.1'), '0.1'),
    )
    .addOption(
      new Option('--log-level <level>', 'of the messages on standard error')
        .choices(['debug', 'info', 'warn'])
        .default('warn'),
    )
    .addHelpText('after', runExample)
    .action(runPool);
  addList(pool);
  addPause(pool, 'pause', true, 'let a pool take no new work');
  addPause(pool, 'resume', false, 'let a pool take work again');
}

function capacity(command: Command): Command {
  return command
    .requiredOption('--name <name>', 'name of the pool, a DNS label')
    .option(
      '--token <address>',
      'token that it takes as payment: ETH or an ERC-20 contract; repeat for more; ETH unless given',
      tokenAddress,
    )
    .addOption(
      new Option('--floor-price <amount>', 'least price of a GPU-hour, in ETH or the token')
        .argParser(decimalAmount)
        .default('0.1', '0.1'),
    )
    .option('--margin <bps>', 'on top of the floor price, in hundredths of a percent', wholeNumber, 0)
    .option('--gpu-count <count>', 'GPUs', positiveInteger, 1)
    .option('--gpu-memory-mib <MiB>', 'memory of each GPU', positiveInteger, 8_192)
    .option(
      '--backend <name>',
      `TensorFlow.js backend that is installed (${backendNames.join(', ')}); repeat for more; wasm and cpu unless given`,
      backend,
    )
    .option(
      '--hours <window>',
      'when the pool takes work: DAYS@HH:MM+MINUTES@ZONE; repeat for more; always unless given',
      hours,
    )
    .option('--stake <ETH>', 'deposit this stake as well', etherAmount);
}

function addList(pool: Command): void {
  withConnection(pool.command('list').description('list the pools of an API'), ['api', 'rpc'])
    .addHelpText('after', '\nExample:\n  $ cotrain pool list --json\n')
    .action(async (flags: ConnectionFlags) => {
      const connection = new Connection(flags);
      const api = await connection.api();
      const { pools } = await api.query<{ pools: { nodes: PoolAnswer[] } }>(
        '{ pools(first: 100) { nodes { id wallet gpuCount gpuMemoryMiB floorPriceWeiPerGpuHour tokens paused } } }',
      );
      const tokens = flags.json === true ? [] : pools.nodes.flatMap((each) => each.tokens);
      const amount = await new TokenBook(connection).reader(tokens);
      printResult(flags, pools.nodes, () =>
        pools.nodes.length === 0
          ? ['There is no pool yet.']
          : pools.nodes.map(
              (each) =>
                `${each.id.padEnd(24)} ${String(each.gpuCount)} GPU, ${String(each.gpuMemoryMiB)} MiB, ${each.tokens.map((token) => amount(token, each.floorPriceWeiPerGpuHour)).join(' or ')} an hour${each.paused ? ', paused' : ''}`,
            ),
      );
    });
}

function addPause(pool: Command, name: 'pause' | 'resume', paused: boolean, description: string): void {
  const command = pool.command(name).description(description).argument('<pool>', 'name of the pool');
  withKey(withConnection(command, ['api', 'rpc']))
    .addHelpText('after', `\nExample:\n  $ cotrain pool ${name} night-shift --key-file .cotrain/keys/pool-1\n`)
    .action(async (id: string, flags: ConnectionFlags) => {
      const { api } = await new Connection(flags).signedIn();
      await setPoolPaused(api, id, paused);
      printResult(flags, { id, paused }, () => [`pool ${id} ${paused ? 'takes no new work' : 'takes work'}`]);
    });
}

interface PoolAnswer {
  id: string;
  wallet: string;
  gpuCount: number;
  gpuMemoryMiB: number;
  floorPriceWeiPerGpuHour: string;
  tokens: string[];
  paused: boolean;
}

const failures = '... on Failure { message }';

export function registerPool(
  api: ApiClient,
  wallet: string,
  flags: CapacityFlags,
  price: PoolPrice,
): Promise<{ id: string }> {
  return api.mutate<{ id: string }>(
    'registerPool',
    `mutation ($input: RegisterPoolInput!) { registerPool(input: $input) { __typename ... on Pool { id } ${failures} } }`,
    {
      input: {
        name: flags.name,
        wallet,
        gpuCount: flags.gpuCount,
        gpuMemoryMiB: flags.gpuMemoryMib,
        cpuMilli: cpus().length * 1_000,
        memoryMiB: Math.floor(totalmem() / 2 ** 20),
        floorPriceWeiPerGpuHour: String(price.floorPriceUnits),
        tokens: price.tokens,
        marginBps: flags.margin,
        backends: flags.backend ?? ['wasm', 'cpu'],
        windows: flags.hours ?? [],
      },
    },
  );
}

export async function setPoolPaused(api: ApiClient, id: string, paused: boolean): Promise<void> {
  await api.mutate(
    'setPoolPaused',
    `mutation ($id: ID!, $paused: Boolean!) { setPoolPaused(id: $id, paused: $paused) { __typename ${failures} } }`,
    { id, paused },
  );
}
