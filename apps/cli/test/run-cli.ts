import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Wallet } from 'ethers';
import type { StackFile } from '../src/stack/stack-file.ts';

/** The command as a user starts it. */
const command = join(import.meta.dirname, '../bin/cotrain.js');
/** A machine may be busy with other things. */
const generousMs = 380_000;

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The environment of a user who has set nothing. */
function environment(extra: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(([name]) => !/^COTRAIN_|^DATABASE_URL$|^NODE_OPTIONS$/.test(name));
  return { ...Object.fromEntries(clean), ...extra };
}

export async function collect(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const timer = setTimeout(() => child.kill('SIGKILL'), generousMs);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, stdout, stderr };
}

/** Runs a command to its end. */
export function cotrain(args: readonly string[], extra: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return collect(start(args, extra));
}

/** Starts a command in a process group of its own. */
export function start(args: readonly string[], extra: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(extra),
    detached: true,
  });
}

/** What `up --json` says. */
export interface Ready {
  graphqlUrl: string;
  rpcUrl: string;
  swarmUrl: string;
  keys: string;
  pid: number;
}

/** A running `cotrain up` on a folder. */
export class LocalStack {
  private constructor(
    readonly child: ChildProcess,
    readonly ready: Ready,
    readonly dir: string,
  ) {}

  static async up(dir: string, ...flags: string[]): Promise<LocalStack> {
    const child = start(['up', '--json', '--port', '0', '--dir', dir, ...flags]);
    let lastWords = '';
    child.stderr?.on('data', (chunk: Buffer) => (lastWords = (lastWords + chunk.toString()).slice(-4_000)));
    const line = await new Promise<string>((resolve, reject) => {
      child.once('close', (code) => {
        reject(new Error(`cotrain up ended with ${String(code)}: ${lastWords}`));
      });
      if (child.stdout !== null) createInterface({ input: child.stdout }).once('line', resolve);
    });
    return new LocalStack(child, JSON.parse(line) as Ready, dir);
  }

  /** A command with this stack's folder. */
  run(...args: string[]): Promise<Ended> {
    return cotrain(args, { COTRAIN_DIR: this.dir });
  }

  /** A command that must succeed, with --json; its answer. */
  async json<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    if (code !== 0) throw new Error(`cotrain ${args.join(' ')} ended with ${String(code)}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  key(name: string): string {
    return join(this.dir, 'keys', name);
  }

  wallet(name: string): Wallet {
    return new Wallet(readFileSync(this.key(name), 'utf8').trim());
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const closed = once(this.child, 'close') as Promise<[number | null]>;
    this.child.kill(signal);
    return (await closed)[0];
  }

  /** As a power cut does it: the command, the API with its trainers and the signer at once. */
  async killAll(): Promise<void> {
    const closed = once(this.child, 'close');
    for (const pid of [this.child.pid ?? 0, ...this.services()]) process.kill(-pid, 'SIGKILL');
    await closed;
  }

  /** Signer and API, each of which leads a process group. */
  services(): number[] {
    const { signerPid, apiPid } = JSON.parse(readFileSync(join(this.dir, 'stack.json'), 'utf8')) as StackFile;
    return [signerPid, apiPid];
  }
}

/** A folder for one test file; `remove` takes it away. */
export function scratchFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'cotrain-cli-'));
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Whether a point lies above the diagonal: a task that a tiny model learns in a second. */
export function writePoints(folder: string, count = 400): { csv: string; program: string } {
  const csv = join(folder, 'points.csv');
  let state = 1;
  const coordinate = (): number => ((state = (state * 16_807) % 2_147_483_647) / 2_147_483_647) * 2 - 1;
  const rows = Array.from({ length: count }, () => {
    const [a, b] = [coordinate(), coordinate()];
    return `${a.toFixed(5)},${b.toFixed(5)},${a > b ? '1' : '0'}`;
  });
  writeFileSync(csv, `a,b,above\n${rows.join('\n')}\n`);
  const dense = (name: string, units: number, activation: string, first: object = {}): object => ({
    class_name: 'Dense',
    config: {
      name,
      units,
      activation,
      use_bias: true,
      kernel_initializer: { class_name: 'GlorotUniform', config: {} },
      bias_initializer: { class_name: 'Zeros', config: {} },
      ...first,
    },
  });
  const program = join(folder, 'tiny.program.json');
  writeFileSync(
    program,
    JSON.stringify({
      version: 'cotrain.program/1',
      topology: {
        class_name: 'Sequential',
        config: {
          name: 'tiny',
          layers: [
            dense('hidden', 8, 'relu', { batch_input_shape: [null, 2], dtype: 'float32' }),
            dense('out', 2, 'softmax'),
          ],
        },
      },
      optimizer: { kind: 'adam', learningRate: 0.01 },
      loss: 'sparseCategoricalCrossentropy',
      metrics: ['accuracy'],
    }),
  );
  return { csv, program };
}
