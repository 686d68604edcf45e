import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadDeployment } from '@cotrain/chain';
import { type Command, Option } from 'commander';
import { JsonRpcProvider } from 'ethers';
import { findStack, type StackFile } from '../stack/stack-file.ts';
import { ApiClient } from './api-client.ts';
import { CommandError, exitCodes } from './errors.ts';
import { type MarketContracts, readMarketContracts } from './market-contracts.ts';
import { address } from './parse-value.ts';
import { readWallet } from './read-wallet.ts';
import { Signatory } from './signatory.ts';

/** Flags of every command that talks to a deployment. */
export interface ConnectionFlags {
  dir: string;
  api?: string;
  rpc?: string;
  swarm?: string;
  domain?: string;
  keyFile?: string;
  market?: string;
  yes?: boolean;
  json?: boolean;
}

type Endpoint = 'api' | 'rpc' | 'swarm';

/** Folder of the local stack. */
export const dirOption = (): Option =>
  new Option('--dir <folder>', "folder of the local stack's state").env('COTRAIN_DIR').default('.cotrain');

export const jsonOption = (what = 'one JSON document'): Option =>
  new Option('--json', `print ${what} instead of text, and nothing else on standard output`);

const endpointOptions: Record<Endpoint, () => Option> = {
  api: () => new Option('--api <url>', 'GraphQL URL; the local stack unless given').env('COTRAIN_API_URL'),
  rpc: () => new Option('--rpc <url>', "the chain's JSON-RPC URL").env('COTRAIN_RPC_URL'),
  swarm: () => new Option('--swarm <url>', 'Bee node or embedded store').env('COTRAIN_SWARM_URL'),
};

/** Adds the flags that say which deployment is meant: those that the command uses. */
export function withConnection(command: Command, endpoints: readonly Endpoint[], json?: string): Command {
  command.addOption(dirOption());
  for (const endpoint of endpoints) command.addOption(endpointOptions[endpoint]());
  return command.addOption(jsonOption(json));
}

/** Adds the flags of a command that signs. */
export function withKey(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--key-file <file>',
        'file with the private key that signs, mode 0600; or the key itself in COTRAIN_PRIVATE_KEY',
      ).env('COTRAIN_KEY_FILE'),
    )
    .addOption(
      new Option('--domain <domain>', "domain that the API's sign-in messages name; its host unless given").env(
        'COTRAIN_API_DOMAIN',
      ),
    );
}

/** Adds the flags of a command that sends transactions. */
export function withMarket(command: Command): Command {
  return withKey(command)
    .addOption(
      new Option(
        '--market <address>',
        "the market's contract: nothing is signed for another one; that of the local stack is known",
      )
        .env('COTRAIN_MARKET')
        .argParser(address),
    )
    .option('--yes', 'without --market: sign for the market that the API names');
}

/** A deployment's endpoints: from flags and environment, otherwise from the running local stack. */
export class Connection {
  private local: Promise<StackFile | null> | undefined;
  private chain: Promise<JsonRpcProvider> | undefined;

  constructor(private readonly flags: ConnectionFlags) {}

  /** @throws CommandError with exit code 4 when there is neither a URL nor a local stack */
  url(endpoint: Endpoint): Promise<string> {
    const names = { api: 'graphqlUrl', rpc: 'rpcUrl', swarm: 'swarmUrl' } as const;
    return this.endpoint(endpoint, names[endpoint]);
  }

  /** Whether the API's chain can be asked: a local stack's chain is not that of an API with a URL of its own. */
  async knowsChain(): Promise<boolean> {
    if (this.flags.rpc !== undefined) return true;
    if (this.flags.api !== undefined) return false;
    this.local ??= findStack(this.flags.dir);
    return (await this.local) !== null;
  }

  async api(): Promise<ApiClient> {
    return new ApiClient(await this.url('api'), this.flags.domain);
  }

  /** The chain, connected to once. */
  provider(): Promise<JsonRpcProvider> {
    this.chain ??= this.connect();
    return this.chain;
  }

  /** An account that is signed in to the API, and does not trust it. */
  async signedIn(): Promise<Signatory> {
    // A missing key is the user's own mistake: said before anything is asked of anybody.
    const key = readWallet(this.flags.keyFile);
    const api = await this.api();
    const wallet = key.connect(await this.provider());
    const { market } = await api.query<{ market: { chainId: number } }>('{ market { chainId } }');
    await api.signIn(wallet, market.chainId);
    let known: Promise<MarketContracts> | undefined;
    const contracts = (): Promise<MarketContracts> =>
      (known ??= this.pinnedMarket().then(async (pinned) => readMarketContracts(api, await this.provider(), pinned)));
    return new Signatory({
      api,
      wallet,
      contracts,
      consent: async (what) => this.consent(what, await contracts()),
    });
  }

  /** The market that the user means: the one that he names, or that of the local stack; null when only the API says. */
  private async pinnedMarket(): Promise<string | null> {
    if (this.flags.market !== undefined) return this.flags.market;
    if (this.flags.api !== undefined) return null;
    const { chainId } = await (await this.provider()).getNetwork();
    const folder = join(this.flags.dir, 'deployments');
    if (!existsSync(join(folder, `${String(chainId)}.json`))) return null;
    return (await loadDeployment(folder, Number(chainId))).market;
  }

  private async consent(what: string, { market, registry, quorum }: MarketContracts): Promise<void> {
    if ((await this.pinnedMarket()) !== null) return;
    const trust = `Only the API says that ${market} is the market, whose registry of stakes is ${registry} and whose quorum of validators is ${quorum}`;
    if (this.flags.yes !== true)
      throw new CommandError(
        exitCodes.usage,
        `${trust}. This command means: ${what}. Nothing was signed. Name the market that you mean with --market or COTRAIN_MARKET, or add --yes to trust this API.`,
      );
    console.error(`${trust}. Signing, as --yes says: ${what}`);
  }

  private async connect(): Promise<JsonRpcProvider> {
    const url = await this.url('rpc');
    // Asked here: the provider of ethers would write to standard output, again and again, that it gets no answer.
    const provider = new JsonRpcProvider(url, await readChainId(url), { staticNetwork: true, cacheTimeout: -1 });
    provider.pollingInterval = 250;
    return provider;
  }

  private async endpoint(endpoint: Endpoint, name: Extract<keyof StackFile, `${string}Url`>): Promise<string> {
    const given = this.flags[endpoint];
    if (given !== undefined) return checkedUrl(given, `--${endpoint}`);
    this.local ??= findStack(this.flags.dir);
    const stack = await this.local;
    if (stack !== null) return stack[name];
    throw new CommandError(
      exitCodes.unavailable,
      `No stack runs on ${this.flags.dir}, and --${endpoint} is not given. Start one with \`cotrain up\`, or name a deployment's URL with --${endpoint} or COTRAIN_${endpoint.toUpperCase()}_URL.`,
    );
  }
}

function checkedUrl(text: string, name: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return text;
  throw new CommandError(exitCodes.usage, `${name} is ${text.slice(0, 200)}: give an http or https URL.`);
}

async function readChainId(url: string): Promise<number> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }),
      signal: AbortSignal.timeout(15_000),
    });
    const { result } = (await response.json()) as { result?: unknown };
    const chainId = Number(result);
    if (typeof result === 'string' && Number.isSafeInteger(chainId) && chainId > 0) return chainId;
    throw new TypeError(`eth_chainId is ${JSON.stringify(result)}`);
  } catch (cause) {
    throw new CommandError(
      exitCodes.unavailable,
      `The chain at ${url} does not answer eth_chainId. Does the node run, and is --rpc right?`,
      { cause },
    );
  }
}
