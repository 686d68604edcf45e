/**
 * Builds everything and says little of it unless it fails: a newcomer who runs the demo wants to read its story. The first
 * build takes minutes, so each project that is built is named.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(import.meta.dirname, '..');
const isTerminal = process.stderr.isTTY;
if (isTerminal) process.stderr.write('Building…');
const child = spawn(join(root, 'node_modules/.bin/nx'), ['run-many', '-t', 'build', '--output-style=static'], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'pipe'],
});
let output = '';
for (const stream of [child.stdout, child.stderr])
  createInterface({ input: stream }).on('line', (line) => {
    output += `${line}\n`;
    // As nx heads the output of a task that has ended, and says where that came from. What came from the cache took no time.
    const [, project, origin = ''] = /^> nx run (\S+):build(.*)/.exec(line) ?? [];
    if (project === undefined || /cache|match/.test(origin)) return;
    process.stderr.write(isTerminal ? `\r\u001b[2KBuilding… ${project}` : `built ${project}\n`);
  });
child.once('error', (error) => {
  output += `${error.message}\n`;
});
child.once('close', (code) => {
  if (isTerminal) process.stderr.write('\r\u001b[2K');
  if (code !== 0) process.stderr.write(output);
  process.exitCode = code ?? 1;
});
