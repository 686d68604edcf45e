import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Deployment, type Logger, saveDeployment } from '@cotrain/chain';
import type { Wallet } from 'ethers';
import { ApiClient } from '../client/api-client.ts';
import { type ApiProcess, type LogLevel, startApiProcess } from '../stack/api-process.ts';
import type { ServiceProcess } from '../stack/service-process.ts';
import { startSignerProcess } from '../stack/signer-process.ts';
import { forgetProcesses, recordProcesses, takeOver } from '../stack/stack-file.ts';
import { trainerCommand } from '../stack/trainer-command.ts';

export interface PoolNodeOptions {
  /** State of this pool: its database, its signer's journal, its jobs. */
  folder: string;
  wallet: Wallet;
  deployment: Deployment;
  rpcUrl: string;
  swarmUrl: string;
  confirmations: number;
  /** Largest bond that its signer signs for one bid. */
  maxBondWei: bigint;
  /** Gets what its API logs too. */
  logger: Logger;
  /** Least important lines that its API logs. */
  logLevel: LogLevel;
}

/** What one machine needs to sell its capacity: an API of its own that bids and trains, and a signer with its key. */
export interface PoolNode {
  api: ApiProcess;
  /** Signed in as the pool's owner. */
  client: ApiClient;
  close(): Promise<void>;
}

/** Starts the node of one machine on somebody's market. Nothing listens beyond this machine. */
export async function startPoolNode(options: PoolNodeOptions): Promise<PoolNode> {
  const folder = resolve(options.folder);
  const { deployment, rpcUrl, swarmUrl, wallet, logger, confirmations } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await takeOver(folder);
  await recordProcesses(folder, []);
  const deploymentFile = await saveDeployment(join(folder, 'deployments'), deployment);
  const services: ServiceProcess[] = [];
  const close = async (): Promise<void> => {
    for (const service of [...services].reverse()) await service.close();
    await forgetProcesses(folder);
  };
  const record = (): Promise<void> =>
    recordProcesses(
      folder,
      services.map((service) => service.pid()),
    );
  const onRestart = (): void => {
    record().catch((error: unknown) => {
      logger.warn({ error: String(error) }, 'the new process could not be recorded');
    });
  };
  try {
    const signer = await startSignerProcess({
      folder: join(folder, 'signer'),
      rpcUrl,
      deploymentFile,
      privateKeys: [wallet.privateKey],
      confirmations,
      maxBondWei: options.maxBondWei,
      logger,
      onRestart,
    });
    services.push(signer);
    await record();
    const api = await startApiProcess({
      folder,
      rpcUrl,
      deploymentFile,
      swarmUrl,
      signer,
      port: 0,
      trainerCommand: trainerCommand({ background: true }),
      validators: [],
      // Awards and settlements are anybody's to call: the market's own keeper does it.
      keeper: null,
      awardConfirmations: Math.max(1, confirmations),
      pollMs: 1_000,
      // Somebody else's chain or store may be away for a while.
      readyPath: '/health',
      logger,
      logLevel: options.logLevel,
      onRestart,
    });
    services.push(api);
    await record();
    const client = new ApiClient(api.graphqlUrl);
    await client.signIn(wallet, deployment.chainId);
    return { api, client, close };
  } catch (error) {
    await close();
    throw error;
  }
}
