import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Deployment, interfaceOf, sampledQuorumAbi, trainingMarketAbi } from '@cotrain/chain';

export interface SignerProcessOptions {
  folder: string;
  rpcUrl: string;
  deployment: Deployment;
  keys: readonly string[];
  dailyValueWei?: bigint;
  pollMs?: number;
  /** Blocks until a transaction counts as final; 0, the default, where the chain is never set back. */
  confirmations?: number;
}

const marketFunctions = ['bid', 'award', 'start', 'commit', 'finalize', 'expireFunding', 'expireAward'];
const moreMarketFunctions = ['expireTraining', 'withdraw'];
const quorumFunctions = ['draw', 'commitVote', 'revealVote', 'tally'];

/** The signer as it runs in production, a process of its own, which a test may kill and start again. */
export class SignerProcess {
  readonly url: string;
  readonly token: string;
  private readonly env: NodeJS.ProcessEnv;
  private child: ChildProcess | null = null;

  private constructor(url: string, token: string, env: NodeJS.ProcessEnv) {
    this.url = url;
    this.token = token;
    this.env = env;
  }

  static async start(options: SignerProcessOptions): Promise<SignerProcess> {
    const { folder, deployment } = options;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const token = randomBytes(24).toString('base64url');
    const secret = (name: string, content: string): string => {
      writeFileSync(join(folder, name), content, { mode: 0o600 });
      return join(folder, name);
    };
    const allow = [
      ...[...marketFunctions, ...moreMarketFunctions].map((name) => ({
        to: deployment.market,
        abi: trainingMarketAbi,
        name,
      })),
      ...quorumFunctions.map((name) => ({ to: deployment.quorum, abi: sampledQuorumAbi, name })),
    ].map(({ to, abi, name }) => ({
      to,
      name,
      selector: interfaceOf(abi).getFunction(name)?.selector,
      maxValueWei: name === 'bid' ? String(10n ** 19n) : '0',
    }));
    const port = await freePort();
    const signer = new SignerProcess(`http://127.0.0.1:${String(port)}`, token, {
      PATH: process.env['PATH'],
      SIGNER_RPC_URL: options.rpcUrl,
      SIGNER_KEYS_FILE: secret('keys.json', JSON.stringify(options.keys)),
      SIGNER_TOKEN_FILE: secret('token', token),
      SIGNER_POLICY_FILE: secret(
        'policy.json',
        JSON.stringify({ allow, dailyValueWei: String(options.dailyValueWei ?? 10n ** 22n) }),
      ),
      SIGNER_STATE_FOLDER: folder,
      SIGNER_PORT: String(port),
      SIGNER_CONFIRMATIONS: String(options.confirmations ?? 0),
      SIGNER_POLL_MS: String(options.pollMs ?? 250),
      LOG_LEVEL: 'warn',
    });
    await signer.start();
    return signer;
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const main = join(import.meta.dirname, '../dist/signer/main.js');
    const child = spawn(process.execPath, [main], { stdio: ['ignore', 'pipe', 'inherit'], env: this.env });
    this.child = child;
    const killOnExit = (): void => {
      child.kill('SIGKILL');
    };
    process.once('exit', killOnExit);
    child.once('exit', () => process.off('exit', killOnExit));
    const lines = createInterface({ input: child.stdout });
    const ended = once(child, 'exit').then(() => {
      throw new Error('the signer ended before it was ready');
    });
    ended.catch(() => undefined); // it ends some day
    await Promise.race([once(lines, 'line'), ended]);
  }

  /** Ends it: by asking, or as a crash does. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('no free port'));
      });
    });
  });
}
