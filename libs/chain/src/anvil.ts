import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endWithThisProcess } from '@cotrain/processes';
import type { Hex } from '@cotrain/protocol';
import { HDNodeWallet, JsonRpcProvider, Mnemonic } from 'ethers';
import { AnvilStartError } from './errors.ts';

/** Anvil's public test phrase: its keys are known to everybody and hold no value anywhere. */
const testPhrase = 'test test test test test test test test test test test junk';

/** A chain writes its state when it ends. */
const graceSeconds = 30;

export interface AnvilOptions {
  /** 0 (the default) takes a free port. */
  port?: number;
  chainId?: number;
  /** Seconds between blocks; without it a block is made for each transaction. */
  blockTimeSeconds?: number;
  /** Chain state is loaded from this file and dumped to it on shutdown and every few seconds. */
  stateFile?: string;
  accounts?: number;
  /** ETH of each account. */
  balanceEther?: number;
  startTimeoutMs?: number;
}

export interface Anvil {
  rpcUrl: string;
  chainId: number;
  accounts: { address: Hex; privateKey: Hex }[];
  pid: number;
  /** Stops the chain and waits until it has written its state. */
  close(): Promise<void>;
}

/**
 * Starts a local chain from the npm package.
 * @throws AnvilStartError when it is not installed, the port is taken, or it does not answer in time
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { chainId = 31_337, accounts = 20, balanceEther = 10_000, startTimeoutMs = 20_000 } = options;
  const port = await freePort(options.port ?? 0);
  const args = [
    '--port',
    String(port),
    '--chain-id',
    String(chainId),
    '--accounts',
    String(accounts),
    '--balance',
    String(balanceEther),
    '--mnemonic',
    testPhrase,
    '--silent',
    '--hardfork',
    'prague',
  ];
  if (options.blockTimeSeconds !== undefined) args.push('--block-time', String(options.blockTimeSeconds));
  if (options.stateFile !== undefined) args.push('--state', options.stateFile, '--state-interval', '5');
  // A process group of its own: Ctrl-C ends us, and we end it when nothing needs it any more.
  const child = spawn(anvilBinary(), args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let lastWords = '';
  child.stderr.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString()).slice(-2_000);
  });
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => {
      resolve();
    });
  });
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  const letGo = endWithThisProcess(child, graceSeconds);

  const rpcUrl = `http://127.0.0.1:${String(port)}`;
  const deadline = performance.now() + startTimeoutMs;
  while (!(await answers(rpcUrl, chainId))) {
    if (failure !== undefined || child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
      letGo();
      child.kill('SIGKILL');
      throw new AnvilStartError(
        `anvil did not start on port ${String(port)}: ${lastWords.trim() || (failure?.message ?? 'no answer')}.${
          options.stateFile === undefined ? '' : ` Is ${options.stateFile} whole? Without it the chain starts anew.`
        }`,
        { cause: failure },
      );
    }
    await delay(50);
  }
  return {
    rpcUrl,
    chainId,
    accounts: testAccounts(accounts),
    pid: child.pid ?? 0,
    async close() {
      child.kill('SIGTERM');
      const stopped = await Promise.race([exited.then(() => true), delay(10_000, false, { ref: false })]);
      if (!stopped) child.kill('SIGKILL');
      await exited;
      letGo();
    },
  };
}

/** The accounts that a local chain funds. */
export function testAccounts(count: number): { address: Hex; privateKey: Hex }[] {
  const mnemonic = Mnemonic.fromPhrase(testPhrase);
  return Array.from({ length: count }, (_, index) => {
    const wallet = HDNodeWallet.fromMnemonic(mnemonic, `m/44'/60'/0'/0/${String(index)}`);
    return { address: wallet.address as Hex, privateKey: wallet.privateKey as Hex };
  });
}

/** The native binary itself, not its launcher script, so that a signal reaches it. */
function anvilBinary(): string {
  const require = createRequire(import.meta.url);
  const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  try {
    const folder = dirname(require.resolve(`@foundry-rs/anvil-${platform}/package.json`));
    const binary = join(folder, 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil');
    if (existsSync(binary)) return binary;
    throw new AnvilStartError(`${binary} is missing. Run npm ci.`);
  } catch (cause) {
    if (cause instanceof AnvilStartError) throw cause;
    throw new AnvilStartError(
      `The npm package @foundry-rs/anvil-${platform} is not installed. Run npm ci; is this platform supported?`,
      { cause },
    );
  }
}

async function answers(rpcUrl: string, chainId: number): Promise<boolean> {
  const provider = new JsonRpcProvider(rpcUrl, chainId, { staticNetwork: true });
  try {
    return Number(await provider.send('eth_chainId', [])) === chainId;
  } catch {
    return false; // not listening yet
  } finally {
    provider.destroy();
  }
}

/** The port itself if it is free, for 0 any that is. @throws AnvilStartError when it is taken */
function freePort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause) => {
      reject(
        new AnvilStartError(`Port ${String(wanted)} cannot be used: ${cause.message}. Is anvil running already?`, {
          cause,
        }),
      );
    });
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new AnvilStartError('No free port was found.'));
      });
    });
  });
}
