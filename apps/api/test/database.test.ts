import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { migrationNames, schemaDrift } from '../scripts/schema-engine.ts';
import { createDatabase, type Database } from '../src/database/database.ts';
import { DatabaseUnavailableError, InvalidDatabaseUrlError } from '../src/database/errors.ts';
import { migrate, MigrationChangedError, type SqlConnection } from '../src/database/migrate.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';

let postgres: TestPostgres;
let folder: string;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.remove());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-database-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Columns, types, defaults, keys and indexes, as the database itself describes them. */
async function schemaOf({ prisma }: Database): Promise<unknown> {
  const columns = await prisma.$queryRaw`
    SELECT table_name::text, column_name::text, data_type::text, is_nullable::text, column_default::text
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, column_name`;
  const indexes = await prisma.$queryRaw`
    SELECT indexdef::text FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname`;
  const constraints = await prisma.$queryRaw`
    SELECT conname::text, pg_get_constraintdef(oid)::text AS definition FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY conname`;
  return { columns, indexes, constraints };
}

async function connect(url: string): Promise<SqlConnection & { end(): Promise<void> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return {
    script: async (sql) => {
      await client.query(sql);
    },
    query: async (sql) => (await client.query<Record<string, unknown>>(sql)).rows,
    end: () => client.end(),
  };
}

function migration(name: string, sql: string): void {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'migration.sql'), sql);
}

describe('migrations', () => {
  it('make what schema.prisma says', async () => {
    expect(await schemaDrift()).toBeNull();
  }, 60_000);

  it('make the same schema on PGlite and on PostgreSQL', async () => {
    const embedded = await createDatabase({});
    const server = await createDatabase({ databaseUrl: await postgres.createDatabase() });
    const schema = await schemaOf(server);
    expect(await schemaOf(embedded)).toEqual(schema);
    expect(JSON.stringify(schema)).toContain('ChainEvent_offerId_blockNumber_logIndex_idx');
    await Promise.all([embedded.close(), server.close()]);
  });

  it('are applied once: a second start finds nothing to do, and data stays', async () => {
    const pgliteFolder = join(folder, 'data');
    const first = await createDatabase({ pgliteFolder });
    await first.prisma.signInNonce.create({ data: { nonce: 'kept', expiresAt: new Date(0) } });
    await first.close();
    const second = await createDatabase({ pgliteFolder });
    expect(await second.prisma.signInNonce.count()).toBe(1);
    const applied = await second.prisma.$queryRaw<unknown[]>`SELECT "name" FROM "_migration"`;
    expect(applied).toHaveLength(migrationNames().length);
    await second.close();
  });

  it('are applied by one of several replicas that start at once', async () => {
    const databaseUrl = await postgres.createDatabase();
    const replicas = await Promise.all(Array.from({ length: 6 }, () => createDatabase({ databaseUrl })));
    for (const { prisma } of replicas) expect(await prisma.offer.count()).toBe(0);
    await Promise.all(replicas.map((replica) => replica.close()));
  });

  it('must not change once they were applied', async () => {
    const connection = await connect(await postgres.createDatabase());
    migration('20260101000000_first', 'CREATE TABLE one (id int)');
    expect(await migrate(connection, folder)).toEqual(['20260101000000_first']);
    expect(await migrate(connection, folder)).toEqual([]);
    migration('20260101000000_first', 'CREATE TABLE one (id int); -- changed');
    await expect(migrate(connection, folder)).rejects.toThrow(MigrationChangedError);
    await expect(migrate(connection, folder)).rejects.toThrow(/20260101000000_first .* write a new one/);
    await connection.end();
  });

  it('are whole or not at all: one that fails half way leaves nothing and is tried again', async () => {
    const connection = await connect(await postgres.createDatabase());
    migration('20260101000000_first', 'CREATE TABLE one (id int); SELECT 1 / 0;');
    await expect(migrate(connection, folder)).rejects.toThrow(/division by zero/);
    migration('20260101000000_first', 'CREATE TABLE one (id int);');
    expect(await migrate(connection, folder)).toEqual(['20260101000000_first']);
    await connection.end();
  });

  it('have names that put them in order', async () => {
    const connection = await connect(await postgres.createDatabase());
    migration('first', 'SELECT 1');
    await expect(migrate(connection, folder)).rejects.toThrow(/first is no migration's name/);
    await connection.end();
  });
});

describe('a database that is not there', () => {
  it('at the start gives an error that says where, what to check, and not the password', async () => {
    const databaseUrl = 'postgresql://cotrain:hunter2@127.0.0.1:1/market';
    const start = createDatabase({ databaseUrl });
    await expect(start).rejects.toThrow(DatabaseUnavailableError);
    await expect(start).rejects.toThrow(/127\.0\.0\.1:1\/market.*Is it running/);
    await expect(start).rejects.not.toThrow(/hunter2/);
  });

  it('with a wrong password gives the reason', async () => {
    const databaseUrl = postgres.url.replace(/:[^:@]+@/, ':wrong@');
    await expect(createDatabase({ databaseUrl })).rejects.toThrow(/password authentication failed/);
  });

  it.each(['not a url hunter2', 'mysql://cotrain:hunter2@host/db'])(
    '%s is refused as a setting',
    async (databaseUrl) => {
      const start = createDatabase({ databaseUrl });
      await expect(start).rejects.toThrow(InvalidDatabaseUrlError);
      await expect(start).rejects.not.toThrow(/hunter2/);
    },
  );

  it('for a while is used again when it is back, by queries and by listeners', async () => {
    const database = await createDatabase({ databaseUrl: await postgres.createDatabase() });
    let told = 0;
    await database.listen(() => told++);
    const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
      while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await until(() => told > 0); // connected
    await postgres.stop('kill');
    await expect(database.prisma.offer.count()).rejects.toThrow();
    await postgres.start();
    await until(() =>
      database.prisma.offer.count().then(
        () => true,
        () => false,
      ),
    );
    const before = told;
    await until(() => told > before); // connected again: it might have missed something
    const connected = told;
    await database.prisma.$executeRaw`SELECT pg_notify('cotrain_outbox', '')`;
    await until(() => told > connected);
    await database.close();
  });
});
