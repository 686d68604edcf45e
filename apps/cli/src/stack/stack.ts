import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { type Api, startApi } from '@cotrain/api';
import {
  type Anvil,
  deployContracts,
  type Deployment,
  type DeploymentParameters,
  loadDeployment,
  type Logger,
  saveDeployment,
  startAnvil,
} from '@cotrain/chain';
import { startSwarmStore, type SwarmStore } from '@cotrain/swarm';
import { JsonRpcProvider, NonceManager, Wallet } from 'ethers';
import { CommandError, exitCodes } from '../client/errors.ts';
import { type SignerProcess, startSignerProcess } from './signer-process.ts';

/** Which of the local chain's accounts plays what. */
export const localRoles = { keeper: 0, payers: [1, 2, 3], pools: [4, 5, 6, 7], validators: [8, 9, 10] } as const;

export interface StackOptions {
  /** Everything that the stack keeps; the same folder goes on where it stopped. */
  folder: string;
  logger: Logger;
  apiPort?: number;
  rpcPort?: number;
  storePort?: number;
  databaseUrl?: string | undefined;
  parameters?: DeploymentParameters;
  /** Trainer commands of single pools, beside the default. */
  trainerCommands?: Record<string, readonly string[]>;
  onStep?: (step: string) => void;
}

/** A whole Cotrain on one machine. */
export interface Stack {
  anvil: Anvil;
  provider: JsonRpcProvider;
  deployment: Deployment;
  store: SwarmStore;
  signer: SignerProcess;
  api: Api;
  close(): Promise<void>;
}

/** What other commands find a running stack by. */
export interface StackFile {
  pid: number;
  graphqlUrl: string;
  rpcUrl: string;
  swarmUrl: string;
  signerPid: number;
}

/** Windows that suit one impatient person instead of the world. */
export const localParameters: DeploymentParameters = {
  unbondingSeconds: 600n,
  quorumSize: 3,
  drawCount: 8,
  drawDelayBlocks: 1,
  drawWindow: 60,
  commitWindow: 240,
  revealWindow: 60,
};

export const stackFileOf = (folder: string): string => join(folder, 'stack.json');

/** The running stack of a folder, or null. */
export async function findStack(folder: string): Promise<StackFile | null> {
  const file = stackFileOf(folder);
  if (!existsSync(file)) return null;
  const stack = JSON.parse(await readFile(file, 'utf8')) as StackFile;
  return isAlive(stack.pid) ? stack : null;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Starts chain, contracts, store, signer and API, in this order; if one fails, what runs already is stopped. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const folder = resolve(options.folder);
  const say = options.onStep ?? ((): void => undefined);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const running = await findStack(folder);
  if (running !== null)
    throw new CommandError(
      exitCodes.failure,
      `A stack runs on ${folder} already (process ${String(running.pid)}). Stop it with \`cotrain down\`, or give another --dir.`,
    );

  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
    await rm(stackFileOf(folder), { force: true });
  };
  try {
    const anvil = await startAnvil({
      port: options.rpcPort ?? 0,
      blockTimeSeconds: 1,
      stateFile: join(folder, 'chain.json'),
    });
    closers.push(() => anvil.close());
    say(`chain      anvil, chain id ${String(anvil.chainId)}, one block a second, ${anvil.rpcUrl}`);
    const provider = new JsonRpcProvider(anvil.rpcUrl, anvil.chainId, { staticNetwork: true, cacheTimeout: -1 });
    provider.pollingInterval = 200;
    closers.push(() => Promise.resolve(provider.destroy()));

    const deployment = await ensureDeployment(folder, anvil, provider, { ...localParameters, ...options.parameters });
    say(`contracts  market ${deployment.market}, registry ${deployment.registry}, quorum ${deployment.quorum}`);
    const store = await startSwarmStore({ dir: join(folder, 'swarm'), port: options.storePort ?? 0 });
    closers.push(() => store.close());
    say(`store      Swarm references and Bee's HTTP API, ${store.url}`);

    const keyOf = (index: number): string => anvil.accounts[index]?.privateKey ?? '';
    const addressOf = (index: number): string => anvil.accounts[index]?.address ?? '';
    const privateKeys = [localRoles.keeper, ...localRoles.pools, ...localRoles.validators].map(keyOf);
    const signer = await startSignerProcess({
      folder: join(folder, 'signer'),
      rpcUrl: anvil.rpcUrl,
      deployment,
      privateKeys,
    });
    closers.push(() => signer.close());
    say(`signer     its own process (${String(signer.pid)}) with ${String(privateKeys.length)} keys`);

    const api = await startApi({
      databaseUrl: options.databaseUrl,
      pgliteFolder: join(folder, 'database'),
      rpcUrl: anvil.rpcUrl,
      deployment,
      swarmUrl: store.url,
      signerUrl: signer.url,
      signerToken: signer.token,
      port: options.apiPort ?? 0,
      workFolder: join(folder, 'jobs'),
      trainerCommands: { default: trainerCommand(), ...options.trainerCommands },
      validators: localRoles.validators.map(addressOf),
      keeper: addressOf(localRoles.keeper),
      awardConfirmations: 1,
      pollMs: 200,
      logger: options.logger,
    });
    closers.push(() => api.close());
    say(
      `API        GraphQL at ${api.graphqlUrl} on ${options.databaseUrl === undefined ? 'the embedded database' : 'PostgreSQL'}`,
    );
    const file: StackFile = {
      pid: process.pid,
      graphqlUrl: api.graphqlUrl,
      rpcUrl: anvil.rpcUrl,
      swarmUrl: store.url,
      signerPid: signer.pid,
    };
    await writeFile(stackFileOf(folder), `${JSON.stringify(file, null, 2)}\n`);
    return { anvil, provider, deployment, store, signer, api, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Command that runs the trainer in a process of its own. */
export function trainerCommand(): string[] {
  const require = createRequire(import.meta.url);
  return [process.execPath, join(dirname(require.resolve('@cotrain/trainer')), 'main.js')];
}

async function ensureDeployment(
  folder: string,
  anvil: Anvil,
  provider: JsonRpcProvider,
  parameters: DeploymentParameters,
): Promise<Deployment> {
  const deployments = join(folder, 'deployments');
  if (existsSync(join(deployments, `${String(anvil.chainId)}.json`))) {
    const known = await loadDeployment(deployments, anvil.chainId);
    if ((await provider.getCode(known.market)) !== '0x') return known;
  }
  const signer = new NonceManager(new Wallet(anvil.accounts[localRoles.keeper]?.privateKey ?? '', provider));
  const deployment = await deployContracts(signer, parameters);
  await saveDeployment(deployments, deployment);
  return deployment;
}
