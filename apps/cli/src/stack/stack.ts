import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
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
import { recordProcess } from '@cotrain/processes';
import { startSwarmStore, type SwarmStore } from '@cotrain/swarm';
import { JsonRpcProvider, NonceManager, Wallet } from 'ethers';
import { CommandError, exitCodes } from '../client/errors.ts';
import { type ApiProcess, type LogLevel, startApiProcess } from './api-process.ts';
import type { ServiceProcess } from './service-process.ts';
import { type SignerProcess, startSignerProcess } from './signer-process.ts';
import {
  findStack,
  forgetProcesses,
  recordProcesses,
  type StackFile,
  stackFileOf,
  takeOver,
  writeStackFile,
} from './stack-file.ts';
import { trainerCommand } from './trainer-command.ts';

/** Which of the local chain's accounts plays what. */
export const localRoles = { keeper: 0, payers: [1, 2, 3], pools: [4, 5, 6, 7], validators: [8, 9, 10] } as const;

export interface StackOptions {
  /** Everything that the stack keeps; the same folder goes on where it stopped. */
  folder: string;
  /** Gets what the services log too. */
  logger: Logger;
  /** Least important lines that the API logs. */
  logLevel?: LogLevel;
  apiPort?: number;
  rpcPort?: number;
  storePort?: number;
  databaseUrl?: string | undefined;
  parameters?: DeploymentParameters;
  /** Trainer commands of single pools, beside the default. */
  trainerCommands?: Record<string, readonly string[]>;
  onStep?: (step: string) => void;
  /** What API, signer and trainers are told instead of an endpoint's own URL: a network in between that can fail. */
  through?: (endpoint: 'rpc' | 'swarm', url: string) => Promise<string>;
}

/** A whole Cotrain on one machine. */
export interface Stack {
  anvil: Anvil;
  provider: JsonRpcProvider;
  deployment: Deployment;
  store: SwarmStore;
  signer: SignerProcess;
  api: ApiProcess;
  close(): Promise<void>;
}

/** Windows that suit one impatient person instead of the world. */
const localParameters: DeploymentParameters = {
  unbondingSeconds: 600n,
  quorumSize: 3,
  drawCount: 8,
  drawDelayBlocks: 1,
  drawWindow: 60,
  commitWindow: 240,
  revealWindow: 60,
};

/** The chain's state is saved every five seconds; a transaction younger than that may be undone by a crash. */
const signerConfirmations = 8;

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

  const leftovers = await takeOver(folder);
  if (leftovers > 0) say(`stopped    ${String(leftovers)} processes of a stack that was killed`);
  await assertFree(options.apiPort ?? 0);

  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    await rm(stackFileOf(folder), { force: true });
    let failure: unknown;
    for (const closer of closers.splice(0).reverse()) {
      // One that fails to stop must not keep the others running.
      await closer().catch((error: unknown) => {
        failure ??= error;
      });
    }
    await forgetProcesses(folder);
    if (failure !== undefined) throw failure as Error;
  };
  try {
    await recordProcesses(folder, []);
    const anvil = await startAnvil({
      port: options.rpcPort ?? 0,
      blockTimeSeconds: 1,
      stateFile: join(folder, 'chain.json'),
    });
    closers.push(() => anvil.close());
    await recordProcesses(folder, [anvil.pid]);
    say(`chain      anvil, chain id ${String(anvil.chainId)}, one block a second, ${anvil.rpcUrl}`);
    const through = options.through ?? ((_, url) => Promise.resolve(url));
    const rpcUrl = await through('rpc', anvil.rpcUrl);
    const provider = new JsonRpcProvider(anvil.rpcUrl, anvil.chainId, { staticNetwork: true, cacheTimeout: -1 });
    provider.pollingInterval = 200;
    closers.push(() => Promise.resolve(provider.destroy()));

    const parameters = { ...localParameters, ...options.parameters };
    const { deployment, deploymentFile } = await ensureDeployment(folder, anvil, provider, parameters);
    say(`contracts  market ${deployment.market}, registry ${deployment.registry}, quorum ${deployment.quorum}`);
    const store = await startSwarmStore({ dir: join(folder, 'swarm'), port: options.storePort ?? 0 });
    closers.push(() => store.close());
    const swarmUrl = await through('swarm', store.url);
    say(`store      Swarm references and Bee's HTTP API, ${store.url}`);

    const keyOf = (index: number): string => anvil.accounts[index]?.privateKey ?? '';
    const addressOf = (index: number): string => anvil.accounts[index]?.address ?? '';
    const privateKeys = [localRoles.keeper, ...localRoles.pools, ...localRoles.validators].map(keyOf);
    const services: ServiceProcess[] = [];
    let ready: (() => StackFile) | null = null;
    const record = async (): Promise<void> => {
      await recordProcesses(folder, [anvil.pid, ...services.map((service) => service.pid())]);
      if (ready !== null) await writeStackFile(folder, ready());
    };
    const onRestart = (): void => {
      record().catch((error: unknown) => {
        options.logger.warn({ error: String(error) }, 'the new process could not be recorded');
      });
    };
    const signer = await startSignerProcess({
      folder: join(folder, 'signer'),
      rpcUrl,
      deploymentFile,
      privateKeys,
      confirmations: signerConfirmations,
      logger: options.logger,
      onRestart,
    });
    closers.push(() => signer.close());
    services.push(signer);
    await record();
    say(`signer     its own process (${String(signer.pid())}) with ${String(privateKeys.length)} keys`);

    const api = await startApiProcess({
      folder,
      databaseUrl: options.databaseUrl,
      rpcUrl,
      deploymentFile,
      swarmUrl,
      signer,
      port: options.apiPort ?? 0,
      trainerCommand: trainerCommand(),
      poolTrainerCommands: options.trainerCommands,
      validators: localRoles.validators.map(addressOf),
      keeper: addressOf(localRoles.keeper),
      awardConfirmations: 1,
      pollMs: 200,
      readyPath: '/ready',
      logger: options.logger,
      logLevel: options.logLevel ?? 'warn',
      onRestart,
    });
    closers.push(() => api.close());
    services.push(api);
    say(
      `API        its own process (${String(api.pid())}), GraphQL at ${api.graphqlUrl} on ${options.databaseUrl === undefined ? 'the embedded database' : 'PostgreSQL'}`,
    );
    ready = () => ({
      ...recordProcess(process.pid),
      graphqlUrl: api.graphqlUrl,
      rpcUrl: anvil.rpcUrl,
      swarmUrl: store.url,
      apiPid: api.pid(),
      signerPid: signer.pid(),
    });
    await record();
    return { anvil, provider, deployment, store, signer, api, close };
  } catch (error) {
    await close().catch((problem: unknown) => {
      options.logger.warn({ error: String(problem) }, 'not everything that ran already could be stopped');
    });
    throw error;
  }
}

/** Looked at first: the API would say it only after seconds. @throws CommandError */
async function assertFree(port: number): Promise<void> {
  const server = createServer();
  try {
    const listening = once(server, 'listening');
    server.listen(port, '127.0.0.1');
    await listening;
    const closed = once(server, 'close');
    server.close();
    await closed;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    throw new CommandError(
      exitCodes.failure,
      `Port ${String(port)} is taken by another program. Give another one with --port.`,
      { cause },
    );
  }
}

async function ensureDeployment(
  folder: string,
  anvil: Anvil,
  provider: JsonRpcProvider,
  parameters: DeploymentParameters,
): Promise<{ deployment: Deployment; deploymentFile: string }> {
  const deployments = join(folder, 'deployments');
  const deploymentFile = join(deployments, `${String(anvil.chainId)}.json`);
  if (existsSync(deploymentFile)) {
    const known = await loadDeployment(deployments, anvil.chainId);
    if ((await provider.getCode(known.market)) !== '0x') return { deployment: known, deploymentFile };
  }
  const signer = new NonceManager(new Wallet(anvil.accounts[localRoles.keeper]?.privateKey ?? '', provider));
  const deployment = await deployContracts(signer, parameters);
  await saveDeployment(deployments, deployment);
  return { deployment, deploymentFile };
}
