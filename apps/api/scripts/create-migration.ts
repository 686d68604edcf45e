/**
 * node apps/api/scripts/create-migration.ts NAME
 *
 * Writes prisma/migrations/<time>_NAME/migration.sql: what turns the present migrations into schema.prisma.
 * Prisma's own command needs an engine that its installer downloads; the same engine as WebAssembly does not.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PGlite } from '@electric-sql/pglite';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { PrismaPGlite } from 'pglite-prisma-adapter';

interface Engine {
  diff(request: object): Promise<{ stdout: string }>;
}
interface EngineModule {
  __wbg_set_wasm(exports: WebAssembly.Exports): void;
  SchemaEngine: { new: (options: object, log: (line: string) => void, adapter: unknown) => Promise<Engine> };
}

const root = join(import.meta.dirname, '../../..');
const migrations = join(root, 'prisma/migrations');
const schemaFile = join(root, 'prisma/schema.prisma');
const name = process.argv[2];
if (name === undefined || !/^[a-z0-9_]+$/.test(name)) {
  console.error('usage: node apps/api/scripts/create-migration.ts NAME   (lower-case letters, digits, _)');
  process.exit(2);
}

const packageFolder = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
const glue = (await import(pathToFileURL(join(packageFolder, 'schema_engine_bg.js')).href)) as EngineModule;
const { instance } = await WebAssembly.instantiate(readFileSync(join(packageFolder, 'schema_engine_bg.wasm')), {
  './schema_engine_bg.js': glue as unknown as WebAssembly.ModuleImports,
});
Object.assign(globalThis, {
  PRISMA_WASM_PANIC_REGISTRY: {
    set_message: (message: string) => {
      console.error(message);
    },
  },
});
glue.__wbg_set_wasm(instance.exports);
(instance.exports['__wbindgen_start'] as () => void)();

const database = await PGlite.create();
if (existsSync(migrations)) {
  for (const folder of readdirSync(migrations).sort()) {
    const file = join(migrations, folder, 'migration.sql');
    if (existsSync(file)) await database.exec(readFileSync(file, 'utf8'));
  }
}
const files = [{ path: schemaFile, content: readFileSync(schemaFile, 'utf8') }];
const engine = await glue.SchemaEngine.new(
  { datamodels: files.map(({ path, content }) => [path, content]) },
  () => undefined,
  bindMigrationAwareSqlAdapterFactory(new PrismaPGlite(database)),
);
const { stdout } = await engine.diff({
  from: { tag: 'schemaDatasource', files, configDir: root },
  to: { tag: 'schemaDatamodel', files },
  script: true,
  exitCode: null,
  filters: { externalTables: [], externalEnums: [] },
});
if (!/^(CREATE|ALTER|DROP)/m.test(stdout)) {
  console.log('schema.prisma and the migrations agree; nothing was written.');
} else {
  const folder = join(migrations, `${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}_${name}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'migration.sql'), stdout);
  console.log(`wrote ${folder}`);
}
await database.close();
process.exit(0);
