import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeCall, readContract, sampledQuorumAbi } from '@cotrain/chain';
import { type Command, Option } from 'commander';
import { Wallet } from 'ethers';
import { pino } from 'pino';
import { CommandError, exitCodes } from '../client/errors.ts';
import { sendTransaction } from '../client/send-transaction.ts';
import { findStack, isAlive, localRoles, type Stack, startStack } from '../stack/stack.ts';
import { positiveInteger, printResult } from './options.ts';

interface UpFlags {
  dir: string;
  port: number;
  rpcPort?: number;
  storePort?: number;
  databaseUrl?: string;
  logLevel: string;
}

const dirOption = (): Option =>
  new Option('--dir <folder>', 'folder that holds all state').env('COTRAIN_DIR').default('.cotrain');
const validatorStakeWei = 10n ** 18n;

/** up, down, status. */
export function addStackCommands(program: Command): void {
  program
    .command('up')
    .description('start chain, contracts, store, signer and API on this machine; Ctrl-C stops them, state is kept')
    .addOption(dirOption())
    .option('--port <port>', 'port of the API', positiveInteger, 4_000)
    .option('--rpc-port <port>', 'port of the chain; a free one unless given', positiveInteger)
    .option('--store-port <port>', 'port of the store; a free one unless given', positiveInteger)
    .addOption(new Option('--database-url <url>', 'PostgreSQL instead of the embedded database').env('DATABASE_URL'))
    .option('--log-level <level>', 'debug, info or warn', 'info')
    .addHelpText(
      'after',
      '\nExample:\n  $ cotrain up --port 4000\n  $ cotrain pool register --name my-pool --key-file .cotrain/keys/pool-1 --floor-price 1\n',
    )
    .action(up);
  program
    .command('down')
    .description('stop the stack that runs on a folder')
    .addOption(dirOption())
    .action(async ({ dir }: { dir: string }) => {
      const stack = await findStack(dir);
      if (stack === null) {
        console.log(`No stack runs on ${dir}.`);
        return;
      }
      process.kill(stack.pid, 'SIGTERM');
      const deadline = performance.now() + 60_000;
      while (isAlive(stack.pid)) {
        if (performance.now() > deadline)
          throw new CommandError(exitCodes.failure, `Process ${String(stack.pid)} does not stop.`);
        await delay(100);
      }
      console.log('Stopped.');
    });
  program
    .command('status')
    .description('say what runs and whether it is ready; exit code 4 when it is not')
    .addOption(dirOption())
    .option('--json', 'print JSON instead of text')
    .action(async (flags: { dir: string; json?: boolean }) => {
      const stack = await findStack(flags.dir);
      if (stack === null)
        throw new CommandError(exitCodes.unavailable, `No stack runs on ${flags.dir}. Start one with \`cotrain up\`.`);
      const response = await fetch(stack.graphqlUrl.replace(/graphql$/, 'ready'), {
        signal: AbortSignal.timeout(15_000),
      });
      const ready = (await response.json()) as Record<string, unknown>;
      printResult(flags, { ...stack, ...ready }, () => [
        `GraphQL  ${stack.graphqlUrl}`,
        `chain    ${stack.rpcUrl}: ${String(ready['chain'])}`,
        `store    ${stack.swarmUrl}: ${String(ready['swarm'])}`,
        `signer   process ${String(stack.signerPid)}: ${String(ready['signer'])}`,
        `database ${String(ready['database'])}`,
      ]);
      if (ready['ready'] !== true) process.exitCode = exitCodes.unavailable;
    });
}

async function up(flags: UpFlags): Promise<void> {
  const logger = pino({ level: flags.logLevel }, pino.destination(2));
  const stack = await startStack({
    folder: flags.dir,
    logger,
    apiPort: flags.port,
    ...(flags.rpcPort === undefined ? {} : { rpcPort: flags.rpcPort }),
    ...(flags.storePort === undefined ? {} : { storePort: flags.storePort }),
    databaseUrl: flags.databaseUrl,
    onStep: (step) => {
      console.log(step);
    },
  });
  // Listened for from here on, so that a signal during the set-up below stops everything too.
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
  });
  writeKeyFiles(flags.dir, stack);
  await joinValidators(stack);
  console.log(`keys       test keys of payers, pools and validators in ${join(flags.dir, 'keys')}`);
  console.log(`\nReady: ${stack.api.graphqlUrl}   (Ctrl-C stops it, state stays in ${flags.dir})`);
  const signal = await stopped;
  console.log(`\n${signal}: stopping`);
  await stack.close();
}

function writeKeyFiles(folder: string, stack: Stack): void {
  const keys = join(folder, 'keys');
  mkdirSync(keys, { recursive: true, mode: 0o700 });
  const roles = { payer: localRoles.payers, pool: localRoles.pools, validator: localRoles.validators };
  for (const [name, indices] of Object.entries(roles)) {
    indices.forEach((index, position) => {
      writeFileSync(
        join(keys, `${name}-${String(position + 1)}`),
        `${stack.anvil.accounts[index]?.privateKey ?? ''}\n`,
        { mode: 0o600 },
      );
    });
  }
}

/** A market without validators can check nothing: the local ones join at the first start. */
async function joinValidators(stack: Stack): Promise<void> {
  const { quorum } = stack.deployment;
  const { data } = encodeCall({ abi: sampledQuorumAbi, functionName: 'join', args: [] });
  for (const index of localRoles.validators) {
    const wallet = new Wallet(stack.anvil.accounts[index]?.privateKey ?? '', stack.provider);
    const stakeWei = await readContract(stack.provider, {
      abi: sampledQuorumAbi,
      address: quorum,
      functionName: 'validatorStake',
      args: [wallet.address as `0x${string}`],
    });
    if (stakeWei === 0n) await sendTransaction(wallet, { to: quorum, data, valueWei: String(validatorStakeWei) });
  }
}
