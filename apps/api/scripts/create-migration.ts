/**
 * node apps/api/scripts/create-migration.ts NAME
 *
 * Writes prisma/migrations/<time>_NAME/migration.sql: what turns the present migrations into schema.prisma.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrationsFolder, schemaDrift } from './schema-engine.ts';

const name = process.argv[2];
if (name === undefined || !/^[a-z0-9_]+$/.test(name)) {
  console.error('usage: node apps/api/scripts/create-migration.ts NAME   (lower-case letters, digits, _)');
  process.exit(2);
}
const sql = await schemaDrift();
if (sql === null) {
  console.log('schema.prisma and the migrations agree; nothing was written.');
} else {
  const folder = join(migrationsFolder, `${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}_${name}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'migration.sql'), sql);
  console.log(`wrote ${folder}`);
}
process.exit(0);
