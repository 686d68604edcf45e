/**
 * Builds everything and says nothing of it unless it fails: a newcomer who runs the demo wants to read its story.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
if (process.stderr.isTTY) process.stderr.write('Building…');
const { status, stdout, stderr } = spawnSync(
  join(root, 'node_modules/.bin/nx'),
  ['run-many', '-t', 'build', '--output-style=static'],
  { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 },
);
if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K');
if (status !== 0) process.stderr.write(`${stdout}${stderr}`);
process.exit(status ?? 1);
