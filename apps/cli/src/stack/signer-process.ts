import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import type { Deployment } from '@cotrain/chain';
import { parseEther } from 'ethers';
import { handOver } from './secret-handover.ts';

/** The signer as its own process. */
export interface SignerProcess {
  url: string;
  token: string;
  /** Of the process that runs now. */
  pid(): number;
  close(): Promise<void>;
}

const restartDelayMs = 500;

/**
 * Writes token and policy into `folder` and starts the signer on them; one that dies is started again. The keys are
 * handed to it and stay in the memory of the two processes: no file of the folder ever holds them.
 */
export async function startSignerProcess(options: {
  folder: string;
  rpcUrl: string;
  deployment: Deployment;
  privateKeys: readonly string[];
  /** Blocks on top of a transaction's before it is final. */
  confirmations: number;
  /** Largest bond that it signs for one bid; ten of them a day. */
  maxBondWei?: bigint;
  /** The signer died and a new one took its place. */
  onRestart?: () => void;
}): Promise<SignerProcess> {
  const { folder, deployment } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(folder, name);
  // Left by a version that kept them there.
  await rm(file('keys.json'), { force: true });
  if (!existsSync(file('token')))
    await writeFile(file('token'), randomBytes(32).toString('base64url'), { mode: 0o600 });
  const { defaultPolicy } = await import('@cotrain/api');
  // Written anew: a file that is there would keep its mode, and the signer refuses a policy that others may write.
  await rm(file('policy.json'), { force: true });
  await writeFile(
    file('policy.json'),
    JSON.stringify(defaultPolicy(deployment, options.maxBondWei ?? parseEther('10')), null, 2),
    { mode: 0o600 },
  );
  const require = createRequire(import.meta.url);
  const main = join(dirname(require.resolve('@cotrain/api')), 'signer/main.js');
  const start = (port: string): { child: ChildProcess; url: Promise<string> } => {
    const keys = handOver(folder, JSON.stringify(options.privateKeys));
    const started = spawn(process.execPath, [main], {
      stdio: ['ignore', 'pipe', 'pipe', keys.descriptor],
      env: {
        PATH: process.env['PATH'],
        SIGNER_RPC_URL: options.rpcUrl,
        SIGNER_KEYS_FILE: '/dev/fd/3',
        SIGNER_TOKEN_FILE: file('token'),
        SIGNER_POLICY_FILE: file('policy.json'),
        SIGNER_STATE_FOLDER: folder,
        SIGNER_PORT: port,
        SIGNER_CONFIRMATIONS: String(options.confirmations),
        SIGNER_POLL_MS: '250',
        LOG_LEVEL: 'warn',
      },
    });
    // It says its URL when it has read everything; if it ends before, nobody needs the keys any more.
    return { child: started, url: readUrl(started).finally(keys.end) };
  };
  const first = start('0');
  let { child } = first;
  let closing = false;
  const url = await first.url;
  const { port } = new URL(url);
  const supervise = (): void => {
    child.once('close', () => {
      if (closing) return;
      setTimeout(() => {
        if (closing) return;
        const next = start(port);
        ({ child } = next);
        // Why it ended is no news: it is started once more.
        next.url.catch(() => undefined);
        supervise();
        options.onRestart?.();
      }, restartDelayMs);
    });
  };
  supervise();
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', kill);
  return {
    url,
    token: (await readFile(file('token'), 'utf8')).trim(),
    pid: () => child.pid ?? 0,
    async close() {
      closing = true;
      process.off('exit', kill);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const closed = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGTERM');
      await closed;
    },
  };
}

function readUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let lastWords = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString()).slice(-2_000);
    });
    child.once('error', reject);
    child.once('close', (code) => {
      reject(new Error(`The signer ended with code ${String(code)}: ${lastWords.trim()}`));
    });
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).once('line', (line) => {
      const { url } = JSON.parse(line) as { url: string };
      resolve(url);
    });
  });
}
