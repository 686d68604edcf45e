/** Generates the Prisma client. It needs no engine; the variable keeps the command from looking for one to download. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');
const result = spawnSync(join(root, 'node_modules/.bin/prisma'), ['generate'], {
  cwd: root,
  encoding: 'utf8',
  env: {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    CHECKPOINT_DISABLE: '1',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
  },
});
if (result.status !== 0) {
  console.error(result.stdout, result.stderr);
  process.exit(1);
}
