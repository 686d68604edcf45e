import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PGlite } from '@electric-sql/pglite';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { PrismaPGlite } from 'pglite-prisma-adapter';

interface Engine {
  diff(request: object): Promise<{ stdout: string }>;
}
interface WasmExports {
  __wbindgen_start(): void;
}
interface EngineModule {
  __wbg_set_wasm(exports: WasmExports): void;
  SchemaEngine: { new: (options: object, log: (line: string) => void, adapter: unknown) => Promise<Engine> };
}
/** The part of WebAssembly's interface that is used; TypeScript knows it only together with the browser's. */
interface WebAssemblyApi {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: WasmExports } }>;
}

const root = join(import.meta.dirname, '../../..');
export const migrationsFolder = join(root, 'prisma/migrations');
const schemaFile = join(root, 'prisma/schema.prisma');

/** Names of the migrations in the order in which they are applied. */
export function migrationNames(): string[] {
  return readdirSync(migrationsFolder)
    .filter((name) => existsSync(join(migrationsFolder, name, 'migration.sql')))
    .sort();
}

/**
 * The SQL that turns what the migrations make into what schema.prisma says; null when they agree. Prisma's own command
 * needs an engine that its installer downloads; the same engine as WebAssembly does not.
 */
export async function schemaDrift(): Promise<string | null> {
  const glue = await loadEngine();
  const database = await PGlite.create();
  try {
    for (const name of migrationNames())
      await database.exec(readFileSync(join(migrationsFolder, name, 'migration.sql'), 'utf8'));
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
    return /^(CREATE|ALTER|DROP)/m.test(stdout) ? stdout : null;
  } finally {
    await database.close();
  }
}

async function loadEngine(): Promise<EngineModule> {
  const folder = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
  const glue = (await import(pathToFileURL(join(folder, 'schema_engine_bg.js')).href)) as EngineModule;
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyApi };
  const { instance } = await WebAssembly.instantiate(readFileSync(join(folder, 'schema_engine_bg.wasm')), {
    './schema_engine_bg.js': glue,
  });
  Object.assign(globalThis, {
    PRISMA_WASM_PANIC_REGISTRY: {
      set_message: (message: string) => {
        console.error(message);
      },
    },
  });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return glue;
}
