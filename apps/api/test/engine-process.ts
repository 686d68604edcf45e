import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Deployment } from '@cotrain/chain';

/** See engine-host.ts. */
export interface EngineHostOptions {
  databaseUrl?: string;
  pgliteFolder?: string;
  rpcUrl: string;
  deployment: Deployment;
  swarmUrl: string;
  signerUrl: string;
  signerToken: string;
  workFolder: string;
  trainerCommand: string[];
  validators: string[];
  keeper: string | null;
  replica: string;
  pollMs: number;
  leaseMs: number;
  log?: boolean;
  killAt?: 'before signing' | 'while signing' | 'before recording';
}

/** A replica's engine in a process of its own. */
export class EngineProcess {
  readonly ended: Promise<unknown>;
  private readonly child: ChildProcess;
  readonly logged: Record<string, unknown>[] = [];

  private constructor(child: ChildProcess) {
    this.child = child;
    this.ended = once(child, 'exit');
    const killOnExit = (): void => {
      child.kill('SIGKILL');
    };
    process.once('exit', killOnExit);
    child.once('exit', () => process.off('exit', killOnExit));
  }

  /** Resolves when it follows the chain, or has died trying. */
  static async start(options: EngineHostOptions): Promise<EngineProcess> {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'engine-host.ts'), JSON.stringify(options)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const engine = new EngineProcess(child);
    const ready = new Promise<void>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const message = JSON.parse(line) as Record<string, unknown>;
        if (message['type'] === 'ready') resolve();
        else if (engine.logged.length < 10_000) engine.logged.push(message);
      });
    });
    await Promise.race([ready, engine.ended]);
    return engine;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    // A process that is stopped (SIGSTOP) takes no other signal before it goes on.
    this.child.kill('SIGCONT');
    if (this.alive) this.child.kill(signal);
    await this.ended;
  }
}
