import { mkdirSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { type Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { migrate } from './migrate.ts';

/** A connected, migrated database. */
export interface Database {
  prisma: PrismaClient;
  kind: 'pglite' | 'postgresql';
  /** Calls back when another replica has told of new outbox rows; PGlite has no other replicas. */
  listen(onNotify: () => void): Promise<void>;
  close(): Promise<void>;
}

/** Prisma's client inside a transaction. */
export type Transaction = Prisma.TransactionClient;

/**
 * PostgreSQL by `databaseUrl`, otherwise PGlite in `pgliteFolder` (in memory without one). Both get the same
 * migrations. PGlite belongs to one process.
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

async function createEmbedded(folder: string | undefined): Promise<Database> {
  if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pglite = await PGlite.create(folder);
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
      await pglite.listen('cotrain_outbox', onNotify);
    },
    close: async () => {
      await prisma.$disconnect();
      await pglite.close();
    },
  };
}

async function createPostgresql(connectionString: string): Promise<Database> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  await migrate({
    script: async (sql) => {
      await client.query(sql);
    },
    query: async (sql) => (await client.query<Record<string, unknown>>(sql)).rows,
  });
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString, max: 10 }), transactionOptions });
  return {
    prisma,
    kind: 'postgresql',
    listen: async (onNotify) => {
      client.on('notification', onNotify);
      await client.query('LISTEN cotrain_outbox');
    },
    close: async () => {
      await prisma.$disconnect();
      await client.end();
    },
  };
}
