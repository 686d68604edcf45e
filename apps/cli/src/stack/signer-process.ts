import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import type { Deployment } from '@cotrain/chain';
import { parseEther } from 'ethers';

/** The signer as its own process. */
export interface SignerProcess {
  url: string;
  token: string;
  /** Of the process that runs now. */
  pid(): number;
  close(): Promise<void>;
}

const restartDelayMs = 500;

/** Writes keys (0600), token and policy into `folder` and starts the signer on them; one that dies is started again. */
export async function startSignerProcess(options: {
  folder: string;
  rpcUrl: string;
  deployment: Deployment;
  privateKeys: readonly string[];
  /** Blocks on top of a transaction's before it is final. */
  confirmations: number;
  maxBondEther?: string;
  /** The signer died and a new one took its place. */
  onRestart?: () => void;
}): Promise<SignerProcess> {
  const { folder, deployment } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(folder, name);
  await writeFile(file('keys.json'), JSON.stringify(options.privateKeys), { mode: 0o600 });
  if (!existsSync(file('token')))
    await writeFile(file('token'), randomBytes(32).toString('base64url'), { mode: 0o600 });
  const { defaultPolicy } = await import('@cotrain/api');
  await writeFile(
    file('policy.json'),
    JSON.stringify(defaultPolicy(deployment, parseEther(options.maxBondEther ?? '10')), null, 2),
  );
  const require = createRequire(import.meta.url);
  const main = join(dirname(require.resolve('@cotrain/api')), 'signer/main.js');
  const start = (port: string): ChildProcess =>
    spawn(process.execPath, [main], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        SIGNER_RPC_URL: options.rpcUrl,
        SIGNER_KEYS_FILE: file('keys.json'),
        SIGNER_TOKEN_FILE: file('token'),
        SIGNER_POLICY_FILE: file('policy.json'),
        SIGNER_STATE_FOLDER: folder,
        SIGNER_PORT: port,
        SIGNER_CONFIRMATIONS: String(options.confirmations),
        SIGNER_POLL_MS: '250',
        LOG_LEVEL: 'warn',
      },
    });
  let child = start('0');
  let closing = false;
  const url = await readUrl(child);
  const { port } = new URL(url);
  const supervise = (): void => {
    child.once('close', () => {
      if (closing) return;
      setTimeout(() => {
        if (closing) return;
        child = start(port);
        child.stdout?.resume();
        child.stderr?.resume();
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
