import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from '@cotrain/processes';
import { type Command, Option } from 'commander';
import { pino } from 'pino';
import { Connection, dirOption, jsonOption } from '../client/connection.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { port } from '../client/parse-value.ts';
import type { LogLevel } from '../stack/api-process.ts';
import { plainDeaths } from '../stack/plain-deaths.ts';
import type { Stack } from '../stack/stack.ts';
import { findStack, takeOver } from '../stack/stack-file.ts';
import { printResult } from '../terminal/result.ts';
import { stopSignal } from '../terminal/stop-signal.ts';

interface UpFlags {
  dir: string;
  port: number;
  rpcPort: number;
  storePort: number;
  databaseUrl?: string;
  logLevel: LogLevel;
  json?: boolean;
}

const upExample = `
Everything is kept in the folder: stop the stack and start it again, and offers, jobs and checkpoints go on. Test keys
of payers, pools and validators are in its keys/, each of an account with 10,000 test ETH.

Examples:
  $ cotrain up
  $ cotrain up --port 4000 --rpc-port 8545 --dir ~/cotrain
  $ cotrain up --json > stack.json &
`;

/** up, down, status. */
export function addStackCommands(program: Command): void {
  program
    .command('up')
    .description('start chain, contracts, store, signer and API on this machine; Ctrl-C stops them, state is kept')
    .addOption(dirOption())
    .option('--port <port>', 'port of the API; 0 takes a free one', port, 4_000)
    .option('--rpc-port <port>', 'port of the chain; 0 takes a free one', port, 0)
    .option('--store-port <port>', 'port of the store; 0 takes a free one', port, 0)
    .addOption(new Option('--database-url <url>', 'PostgreSQL instead of the embedded database').env('DATABASE_URL'))
    .addOption(
      new Option('--log-level <level>', 'of the messages on standard error')
        .choices(['debug', 'info', 'warn'])
        .default('warn'),
    )
    .addOption(jsonOption('one JSON document with the URLs when it is ready'))
    .addHelpText('after', upExample)
    .action(up);
  program
    .command('down')
    .description('stop the stack that runs on a folder, or what is left of it')
    .addOption(dirOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  $ cotrain down --dir .cotrain\n')
    .action(down);
  program
    .command('status')
    .description('say what runs and whether it is ready; exit code 4 when it is not')
    .addOption(dirOption())
    .addOption(new Option('--api <url>', 'GraphQL URL; the local stack unless given').env('COTRAIN_API_URL'))
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ cotrain status\n  $ until cotrain status > /dev/null; do sleep 1; done\n')
    .action(status);
}

async function up(flags: UpFlags): Promise<void> {
  // Listened for from here on, so that a signal during the start stops everything too.
  const stopping = stopSignal();
  const say = (text: string): void => {
    if (flags.json !== true) console.log(text);
  };
  const { startStack } = await import('../stack/stack.ts');
  const { joinValidators } = await import('../stack/join-validators.ts');
  const logger = pino({ level: flags.logLevel }, pino.destination(2));
  const stack = await startStack({
    folder: flags.dir,
    logger:
      flags.json === true
        ? logger
        : plainDeaths(logger, (line) => {
            console.error(line);
          }),
    logLevel: flags.logLevel,
    apiPort: flags.port,
    rpcPort: flags.rpcPort,
    storePort: flags.storePort,
    databaseUrl: flags.databaseUrl,
    onStep: say,
  });
  try {
    await writeKeyFiles(flags.dir, stack);
    await joinValidators(stack);
    const keys = join(flags.dir, 'keys');
    const { graphqlUrl } = stack.api;
    printResult(
      flags,
      { graphqlUrl, rpcUrl: stack.anvil.rpcUrl, swarmUrl: stack.store.url, dir: flags.dir, keys, pid: process.pid },
      () => [
        `keys       test keys of payers, pools and validators in ${keys}`,
        '',
        `Ready: ${graphqlUrl}   (Ctrl-C stops it, state stays in ${flags.dir})`,
      ],
    );
    if (!stopping.aborted) {
      await new Promise<void>((resolve) => {
        stopping.addEventListener('abort', () => {
          resolve();
        });
      });
    }
    say(`\n${String(stopping.reason)}: stopping`);
  } finally {
    await stack.close();
  }
  say('stopped');
}

async function down({ dir, json }: { dir: string; json?: boolean }): Promise<void> {
  const stack = await findStack(dir);
  if (stack === null) {
    const left = await takeOver(dir);
    printResult({ json: json === true }, { stopped: left > 0, pid: null }, () => [
      left > 0 ? `Stopped ${String(left)} processes that a killed stack had left.` : `No stack runs on ${dir}.`,
    ]);
    return;
  }
  process.kill(stack.pid, 'SIGTERM');
  const deadline = performance.now() + 60_000;
  while (isAlive(stack.pid)) {
    if (performance.now() > deadline)
      throw new CommandError(
        exitCodes.failure,
        `Process ${String(stack.pid)} has not stopped within a minute. \`kill -9 ${String(stack.pid)}\` ends it; the next \`cotrain up\` cleans up.`,
      );
    await delay(100);
  }
  printResult({ json: json === true }, { stopped: true, pid: stack.pid }, () => ['Stopped.']);
}

async function status(flags: { dir: string; api?: string; json?: boolean }): Promise<void> {
  const stack = flags.api === undefined ? await findStack(flags.dir) : null;
  const graphqlUrl = await new Connection(flags).url('api');
  if (!/\/graphql\/?$/.test(graphqlUrl))
    throw new CommandError(
      exitCodes.usage,
      `--api is ${graphqlUrl}: give the GraphQL URL, such as ${new URL(graphqlUrl).origin}/graphql.`,
    );
  let ready: Record<string, unknown>;
  try {
    const response = await fetch(graphqlUrl.replace(/graphql\/?$/, 'ready'), { signal: AbortSignal.timeout(15_000) });
    ready = (await response.json()) as Record<string, unknown>;
  } catch (cause) {
    throw new CommandError(exitCodes.unavailable, `The API at ${graphqlUrl} does not answer.`, { cause });
  }
  const part = (name: string): string => String(ready[name]);
  printResult(flags, { graphqlUrl, ...stack, ...ready }, () => [
    `GraphQL  ${stack === null ? '' : `process ${String(stack.apiPid)}: `}${graphqlUrl}`,
    `chain    ${stack === null ? '' : `${stack.rpcUrl}: `}${part('chain')}`,
    `store    ${stack === null ? '' : `${stack.swarmUrl}: `}${part('swarm')}`,
    `signer   ${stack === null ? '' : `process ${String(stack.signerPid)}: `}${part('signer')}`,
    `database ${part('database')}`,
  ]);
  if (ready['ready'] !== true) process.exitCode = exitCodes.unavailable;
}

async function writeKeyFiles(folder: string, stack: Stack): Promise<void> {
  const { localRoles } = await import('../stack/stack.ts');
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
