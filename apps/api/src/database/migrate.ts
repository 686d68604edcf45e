import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the migrations need of a database: a script of several statements, and a query. */
export interface SqlConnection {
  script(sql: string): Promise<void>;
  query(sql: string): Promise<Record<string, unknown>[]>;
}

/** A migration that was applied differs from the file of its name. */
export class MigrationChangedError extends Error {
  override readonly name = 'MigrationChangedError';
  readonly retryable = false;

  constructor(readonly migration: string) {
    super(
      `Migration ${migration} was applied in another version than the file says. Applied migrations must not change: write a new one.`,
    );
  }
}

const folder = join(import.meta.dirname, '../../../../prisma/migrations');

/**
 * Applies the migrations that are missing, in the order of their names, each in one transaction together with the
 * record of it. The lock makes several replicas that start at once wait for each other.
 * @returns names of the migrations that were applied now
 */
export async function migrate(connection: SqlConnection, migrationsFolder = folder): Promise<string[]> {
  // IF NOT EXISTS alone does not help two that create the table at the same moment: one would fail.
  await connection.script(
    'BEGIN; SELECT pg_advisory_xact_lock(7164918); CREATE TABLE IF NOT EXISTS "_migration" ("name" TEXT PRIMARY KEY, "checksum" TEXT NOT NULL); COMMIT',
  );
  const names = readdirSync(migrationsFolder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  const applied: string[] = [];
  for (const name of names) {
    if (!/^[0-9]{14}_[a-z0-9_]+$/.test(name))
      throw new Error(`${name} is no migration's name: use <14 digits>_<lower-case words>.`);
    const sql = readFileSync(join(migrationsFolder, name, 'migration.sql'), 'utf8');
    const checksum = createHash('sha256').update(sql).digest('hex');
    if (await isApplied(connection, name, checksum)) continue;
    try {
      await connection.script(
        `BEGIN; LOCK TABLE "_migration" IN EXCLUSIVE MODE;\nINSERT INTO "_migration" VALUES ('${name}', '${checksum}');\n${sql}\n;COMMIT;`,
      );
      applied.push(name);
    } catch (error) {
      await connection.script('ROLLBACK');
      // Another replica was faster: its record is there now.
      if (!(await isApplied(connection, name, checksum))) throw error;
    }
  }
  return applied;
}

async function isApplied(connection: SqlConnection, name: string, checksum: string): Promise<boolean> {
  const [row] = await connection.query(`SELECT "checksum" FROM "_migration" WHERE "name" = '${name}'`);
  if (row === undefined) return false;
  if (row['checksum'] !== checksum) throw new MigrationChangedError(name);
  return true;
}
