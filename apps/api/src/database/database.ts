import { mkdirSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { type Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { DatabaseUnavailableError, InvalidDatabaseUrlError } from './errors.ts';
import { Listener } from './listener.ts';
import { migrate, MigrationChangedError } from './migrate.ts';

/** A connected, migrated database. */
export interface Database {
  prisma: PrismaClient;
  kind: 'pglite' | 'postgresql';
  /**
   * Calls back when anybody has told of new outbox rows. A notification may be lost while a connection is down: poll
   * too. PGlite has no other replicas.
   */
  listen(onNotify: () => void): Promise<void>;
  close(): Promise<void>;
}

/** Prisma's client inside a transaction. */
export type Transaction = Prisma.TransactionClient;

/**
 * PostgreSQL by `databaseUrl`, otherwise PGlite in `pgliteFolder` (in memory without one). Both get the same
 * migrations. PGlite belongs to one process.
 * @throws DatabaseUnavailableError, InvalidDatabaseUrlError, MigrationChangedError
 */
export async function createDatabase(options: {
  databaseUrl?: string | undefined;
  pgliteFolder?: string | undefined;
}): Promise<Database> {
  return options.databaseUrl === undefined
    ? createEmbedded(options.pgliteFolder)
    : createPostgresql(options.databaseUrl);
}

const transactionOptions = { maxWait: 15_000, timeout: 60_000 };
const channel = 'cotrain_outbox';

async function createEmbedded(folder: string | undefined): Promise<Database> {
  if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pglite = await PGlite.create(folder).catch((error: unknown) => {
    throw new DatabaseUnavailableError(folder ?? 'memory', error);
  });
  await migrate({
    script: async (sql) => {
      await pglite.exec(sql);
    },
    query: async (sql) => (await pglite.query<Record<string, unknown>>(sql)).rows,
  });
  const prisma = new PrismaClient({ adapter: new PrismaPGlite(pglite), transactionOptions });
  return {
    prisma,
    kind: 'pglite',
    listen: async (onNotify) => {
      await pglite.listen(channel, onNotify);
    },
    close: async () => {
      await prisma.$disconnect();
      await pglite.close();
    },
  };
}

async function createPostgresql(connectionString: string): Promise<Database> {
  const where = withoutPassword(connectionString);
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined); // the query that is under way fails with it
  try {
    await client.connect();
    await migrate({
      script: async (sql) => {
        await client.query(sql);
      },
      query: async (sql) => (await client.query<Record<string, unknown>>(sql)).rows,
    });
  } catch (error) {
    throw error instanceof MigrationChangedError ? error : new DatabaseUnavailableError(where, error);
  } finally {
    await client.end().catch(() => undefined); // it is broken already
  }
  const prisma = new PrismaClient({
    adapter: new PrismaPg({ connectionString, max: 10, connectionTimeoutMillis: 10_000, keepAlive: true }),
    transactionOptions,
  });
  const listeners: Listener[] = [];
  return {
    prisma,
    kind: 'postgresql',
    listen: (onNotify) => {
      listeners.push(new Listener(connectionString, channel, onNotify));
      return Promise.resolve();
    },
    close: async () => {
      await Promise.all(listeners.map((listener) => listener.close()));
      await prisma.$disconnect();
    },
  };
}

/** Where the database is, fit for a log. @throws InvalidDatabaseUrlError */
function withoutPassword(connectionString: string): string {
  let url: URL;
  try {
    url = new URL(connectionString);
  } catch {
    throw new InvalidDatabaseUrlError(); // without the cause, which quotes the password
  }
  if (!/^postgres(ql)?:$/.test(url.protocol)) throw new InvalidDatabaseUrlError();
  return `${url.host}${url.pathname}`;
}
