import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from '@cotrain/chain';
import { formatEther, parseEther } from 'ethers';
import { handOver } from './secret-handover.ts';
import { startService, type ServiceProcess } from './service-process.ts';

/** The signer as its own process. */
export interface SignerProcess extends ServiceProcess {
  /** Holds the token that callers must present. */
  tokenFile: string;
}

/**
 * Writes token and policy into `folder` and starts the signer on them; one that dies is started again. The keys are
 * handed to it and stay in the memory of the two processes: no file of the folder ever holds them.
 */
export async function startSignerProcess(options: {
  folder: string;
  rpcUrl: string;
  /** Of the contracts that it signs for. */
  deploymentFile: string;
  privateKeys: readonly string[];
  /** Blocks on top of a transaction's before it is final. */
  confirmations: number;
  /** Largest bond that it signs for one bid; ten of them a day. */
  maxBondWei?: bigint;
  logger: Logger;
  /** The signer died and a new one took its place. */
  onRestart?: () => void;
}): Promise<SignerProcess> {
  const { folder } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(folder, name);
  // Left by a version that kept them there.
  await rm(file('keys.json'), { force: true });
  const tokenFile = file('token');
  if (!existsSync(tokenFile)) await writeFile(tokenFile, randomBytes(32).toString('base64url'), { mode: 0o600 });
  const main = createRequire(import.meta.url).resolve('@cotrain/api/signer/main.js');
  const policy = await printPolicy(main, options.deploymentFile, options.maxBondWei ?? parseEther('10'));
  // Written anew: a file that is there would keep its mode, and the signer refuses a policy that others may write.
  await rm(file('policy.json'), { force: true });
  await writeFile(file('policy.json'), policy, { mode: 0o600 });
  const service = await startService({
    name: 'The signer',
    main,
    environment: {
      PATH: process.env['PATH'],
      SIGNER_RPC_URL: options.rpcUrl,
      SIGNER_KEYS_FILE: '/dev/fd/3',
      SIGNER_TOKEN_FILE: tokenFile,
      SIGNER_POLICY_FILE: file('policy.json'),
      SIGNER_STATE_FOLDER: folder,
      SIGNER_CONFIRMATIONS: String(options.confirmations),
      SIGNER_POLL_MS: '250',
      LOG_LEVEL: 'warn',
    },
    port: { variable: 'SIGNER_PORT', first: 0 },
    secret: () => handOver(folder, JSON.stringify(options.privateKeys)),
    readyPath: '/health',
    startTimeoutMs: 60_000,
    stopTimeoutMs: 15_000,
    logger: options.logger,
    onRestart: options.onRestart,
  });
  return { ...service, tokenFile };
}

/** What pools, validators and keepers do with these contracts, and nothing else, as the signer itself words it. */
async function printPolicy(main: string, deploymentFile: string, maxBondWei: bigint): Promise<string> {
  const args = [main, 'policy', deploymentFile, '--max-bond', formatEther(maxBondWei)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { PATH: process.env['PATH'] } });
  return stdout;
}
