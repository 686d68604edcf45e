import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Api } from '@cotrain/api';
import type { Deployment, Logger } from '@cotrain/chain';
import type { Wallet } from 'ethers';
import { ApiClient } from '../client/api-client.ts';
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
  logger: Logger;
}

/** What one machine needs to sell its capacity: an API of its own that bids and trains, and a signer with its key. */
export interface PoolNode {
  api: Api;
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
  const { startApi } = await import('@cotrain/api');
  const signer = await startSignerProcess({
    folder: join(folder, 'signer'),
    rpcUrl,
    deployment,
    privateKeys: [wallet.privateKey],
    confirmations,
    maxBondWei: options.maxBondWei,
  });
  let api: Api | undefined;
  const close = async (): Promise<void> => {
    await api?.close();
    await signer.close();
    await forgetProcesses(folder);
  };
  try {
    await recordProcesses(folder, [signer.pid()]);
    api = await startApi({
      pgliteFolder: join(folder, 'database'),
      rpcUrl,
      deployment,
      swarmUrl,
      signerUrl: signer.url,
      signerToken: signer.token,
      workFolder: join(folder, 'jobs'),
      trainerCommands: { default: trainerCommand({ background: true }) },
      validators: [],
      // Awards and settlements are anybody's to call: the market's own keeper does it.
      keeper: null,
      awardConfirmations: Math.max(1, confirmations),
      logger,
    });
    const client = new ApiClient(api.graphqlUrl);
    await client.signIn(wallet, deployment.chainId);
    return { api, client, close };
  } catch (error) {
    await close();
    throw error;
  }
}
