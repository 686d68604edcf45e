import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { saveDeployment } from '@cotrain/chain';
import { type SignerProcess, startSignerProcess } from './signer-process.ts';

const address = (digit: string): `0x${string}` => `0x${digit.repeat(40)}`;

let folder: string;
let contracts: string;
let umask: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-signer-process-'));
  contracts = mkdtempSync(join(tmpdir(), 'cotrain-contracts-'));
  umask = process.umask(0o002); // of users who share a group
});
afterEach(() => {
  process.umask(umask);
  for (const each of [folder, contracts]) rmSync(each, { recursive: true, force: true });
});

const privateKey = `0x${'1'.repeat(64)}`;

async function start(onRestart?: () => void): Promise<SignerProcess> {
  return startSignerProcess({
    folder,
    rpcUrl: 'http://127.0.0.1:1',
    deploymentFile: await saveDeployment(contracts, {
      chainId: 31_337,
      registry: address('1'),
      market: address('2'),
      quorum: address('3'),
      verifiers: {},
      deployedAtBlock: 0,
    }),
    privateKeys: [privateKey],
    confirmations: 2,
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    ...(onRestart === undefined ? {} : { onRestart }),
  });
}

test('what the signer reads belongs to its owner alone, also where an earlier version left it open', async () => {
  writeFileSync(join(folder, 'policy.json'), '{}');
  chmodSync(join(folder, 'policy.json'), 0o664);
  const signer = await start();
  try {
    expect((await fetch(`${signer.url}/health`)).status).toBe(200);
    for (const file of readdirSync(folder))
      expect([file, statSync(join(folder, file)).mode & 0o077]).toEqual([file, 0]);
  } finally {
    await signer.close();
  }
}, 60_000);

test('no file holds a key, also where an earlier version left one; a signer that is killed gets its keys again', async () => {
  writeFileSync(join(folder, 'keys.json'), JSON.stringify([privateKey]));
  const filesWithKey = (): string[] =>
    readdirSync(folder).filter((file) => readFileSync(join(folder, file), 'utf8').includes(privateKey.slice(2)));
  let restarts = 0;
  const signer = await start(() => restarts++);
  try {
    expect(filesWithKey()).toEqual([]);
    const killed = signer.pid();
    process.kill(killed, 'SIGKILL');
    let status = 0;
    while (restarts === 0 || status !== 200) {
      await delay(100);
      status = await fetch(`${signer.url}/health`).then(
        (response) => response.status,
        () => 0,
      );
    }
    expect(signer.pid()).not.toBe(killed);
    expect(filesWithKey()).toEqual([]);
  } finally {
    await signer.close();
  }
}, 60_000);
