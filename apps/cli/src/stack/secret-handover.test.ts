import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { handOver } from './secret-handover.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-handover-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** What a child process finds at its descriptor 3, and the mode of it. */
function readInChild(descriptor: number): string {
  const script =
    "const fs = require('fs'); process.stdout.write((fs.statSync('/dev/fd/3').mode & 0o777).toString(8) + ' ' + fs.readFileSync('/dev/fd/3', 'utf8'))";
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'pipe', descriptor],
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout;
}

it('gives a secret to a child and leaves no file, not even meanwhile', () => {
  const secret = handOver(folder, 'open sesame');
  expect(readdirSync(folder)).toEqual([]);
  expect(readInChild(secret.descriptor)).toBe('600 open sesame');
  expect(readdirSync(folder)).toEqual([]);
  secret.end();
  secret.end();
});

it('leaves nothing behind a descriptor that the child keeps', () => {
  const secret = handOver(folder, 'open sesame');
  const kept = openSync(`/dev/fd/${String(secret.descriptor)}`, 'r');
  expect(readFileSync(kept, 'utf8')).toBe('open sesame');
  secret.end();
  expect(readInChild(kept)).toBe('600 ');
  closeSync(kept);
});
