import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSignerProcess } from './signer-process.ts';

const address = (digit: string): `0x${string}` => `0x${digit.repeat(40)}`;

let folder: string;
let umask: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-signer-process-'));
  umask = process.umask(0o002); // of users who share a group
});
afterEach(() => {
  process.umask(umask);
  rmSync(folder, { recursive: true, force: true });
});

test('what the signer reads belongs to its owner alone, also where an earlier version left it open', async () => {
  writeFileSync(join(folder, 'policy.json'), '{}');
  chmodSync(join(folder, 'policy.json'), 0o664);
  const signer = await startSignerProcess({
    folder,
    rpcUrl: 'http://127.0.0.1:1',
    deployment: {
      chainId: 31_337,
      registry: address('1'),
      market: address('2'),
      quorum: address('3'),
      verifiers: {},
      deployedAtBlock: 0,
    },
    privateKeys: [`0x${'1'.repeat(64)}`],
    confirmations: 2,
  });
  try {
    expect((await fetch(`${signer.url}/health`)).status).toBe(200);
    for (const file of readdirSync(folder))
      expect([file, statSync(join(folder, file)).mode & 0o077]).toEqual([file, 0]);
  } finally {
    await signer.close();
  }
}, 60_000);
