import { readFileSync, statSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { JsonRpcProvider, parseEther, Wallet } from 'ethers';
import { ApiClient } from '../client/api-client.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { findStack } from '../stack/stack.ts';

/** Flags of every command that talks to a deployment. */
export interface ConnectionFlags {
  dir: string;
  api?: string;
  rpc?: string;
  swarm?: string;
  keyFile?: string;
  json?: boolean;
}

/** Adds the flags that say which deployment is meant, and with which key. */
export function withConnection(command: Command): Command {
  return command
    .addOption(new Option('--dir <folder>', 'folder of the local stack').env('COTRAIN_DIR').default('.cotrain'))
    .addOption(new Option('--api <url>', 'GraphQL URL; the local stack unless given').env('COTRAIN_API_URL'))
    .addOption(new Option('--rpc <url>', "the chain's JSON-RPC URL").env('COTRAIN_RPC_URL'))
    .addOption(new Option('--swarm <url>', 'Bee node or embedded store').env('COTRAIN_SWARM_URL'))
    .addOption(
      new Option('--key-file <file>', 'file with the private key that signs (mode 0600)').env('COTRAIN_KEY_FILE'),
    )
    .option('--json', 'print JSON instead of text');
}

/** A deployment's endpoints: from flags and environment, otherwise from the running local stack. */
export async function connect(flags: ConnectionFlags): Promise<{ api: ApiClient; rpcUrl: string; swarmUrl: string }> {
  const stack =
    flags.api !== undefined && flags.rpc !== undefined && flags.swarm !== undefined ? null : await findStack(flags.dir);
  const need = (value: string | undefined, name: string): string => {
    if (value !== undefined) return value;
    throw new CommandError(
      exitCodes.unavailable,
      `No stack runs on ${flags.dir}, and ${name} is not given. Start one with \`cotrain up\`, or name a deployment with --api, --rpc and --swarm.`,
    );
  };
  return {
    api: new ApiClient(need(flags.api ?? stack?.graphqlUrl, '--api')),
    rpcUrl: need(flags.rpc ?? stack?.rpcUrl, '--rpc'),
    swarmUrl: need(flags.swarm ?? stack?.swarmUrl, '--swarm'),
  };
}

/** The user's wallet. Its key is read from a file, never from an argument, which other users of the machine could see. */
export function readWallet(flags: ConnectionFlags, rpcUrl: string): Wallet {
  const file = flags.keyFile;
  if (file === undefined)
    throw new CommandError(
      exitCodes.usage,
      'This command signs: name the key with --key-file FILE or COTRAIN_KEY_FILE.',
    );
  let text: string;
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      throw new CommandError(exitCodes.usage, `${file} can be read by others. Run chmod 600 on it.`);
    text = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError(exitCodes.usage, `--key-file is ${file}, which cannot be read.`, { cause });
  }
  if (!/^0x[0-9a-fA-F]{64}$/.test(text))
    throw new CommandError(exitCodes.usage, `${file} does not hold a private key: 0x and 64 hexadecimal digits.`);
  const provider = new JsonRpcProvider(rpcUrl, undefined, { staticNetwork: true, cacheTimeout: -1 });
  provider.pollingInterval = 250;
  return new Wallet(text, provider);
}

/** Connects and signs in. */
export async function connectSigned(
  flags: ConnectionFlags,
): Promise<{ api: ApiClient; wallet: Wallet; swarmUrl: string }> {
  const { api, rpcUrl, swarmUrl } = await connect(flags);
  const wallet = readWallet(flags, rpcUrl);
  const { market } = await api.query<{ market: { chainId: number } }>('{ market { chainId } }');
  await api.signIn(wallet, market.chainId);
  return { api, wallet, swarmUrl };
}

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('give a whole number from 1 on.');
  return value;
}

/** Decimal ETH as wei. */
export function etherAmount(text: string): bigint {
  try {
    return parseEther(text);
  } catch {
    throw new InvalidArgumentError('give an amount in ETH such as 1.5, with at most 18 decimals.');
  }
}

/** Prints a result: JSON for scripts, lines for people. */
export function printResult(flags: { json?: boolean }, value: unknown, lines: () => readonly string[]): void {
  if (flags.json === true)
    console.log(JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item)));
  else for (const line of lines()) console.log(line);
}
