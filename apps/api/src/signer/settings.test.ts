import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LeaseLostError, MemoryIntentStore } from '@cotrain/chain';
import { JsonRpcProvider } from 'ethers';
import { InvalidSettingError, readSettings } from './settings.ts';
import { startSigner } from './signer-server.ts';

const key = `0x${'1'.repeat(64)}`;
const policy = {
  allow: [{ to: `0x${'1'.repeat(40)}`, selector: '0x12345678', name: 'bid', maxValueWei: '0' }],
  dailyValueWei: '0',
};

describe('settings of the signer', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cotrain-signer-settings-'));
    const file = (name: string, content: string): string => {
      writeFileSync(join(folder, name), content, { mode: 0o600 });
      return join(folder, name);
    };
    env = {
      SIGNER_RPC_URL: 'http://127.0.0.1:8545',
      SIGNER_KEYS_FILE: file('keys.json', JSON.stringify([key])),
      SIGNER_TOKEN_FILE: file('token', 'x'.repeat(32)),
      SIGNER_POLICY_FILE: file('policy.json', JSON.stringify(policy)),
      SIGNER_STATE_FOLDER: folder,
    };
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(['600', '640', '644'])('take a policy of mode %s', (mode) => {
    chmodSync(join(folder, 'policy.json'), Number.parseInt(mode, 8));
    expect(readSettings(env).policy).toEqual(policy);
  });

  test.each(['620', '660', '602', '646', '666'])('refuse a policy of mode %s: others could widen it', (mode) => {
    chmodSync(join(folder, 'policy.json'), Number.parseInt(mode, 8));
    expect(() => readSettings(env)).toThrow(InvalidSettingError);
    expect(() => readSettings(env)).toThrow(`chmod 600 ${join(folder, 'policy.json')}`);
    chmodSync(join(folder, 'policy.json'), 0o600);
  });

  test('say where it listens: on the loopback interface unless told otherwise', () => {
    expect(readSettings(env).SIGNER_HOST).toBe('127.0.0.1');
    expect(readSettings({ ...env, SIGNER_HOST: '10.1.2.3' }).SIGNER_HOST).toBe('10.1.2.3');
    expect(readSettings({ ...env, SIGNER_HOST: '::' }).SIGNER_HOST).toBe('::');
    expect(() => readSettings({ ...env, SIGNER_HOST: 'everywhere' })).toThrow(/SIGNER_HOST/);
  });
});

test.each([
  [undefined, false],
  ['0.0.0.0', true],
])('a signer told to listen on %s is reached by another address of the machine: %s', async (host, reached) => {
  const provider = new JsonRpcProvider('http://127.0.0.1:1', 31_337, { staticNetwork: true });
  const signer = await startSigner({
    provider,
    keys: [key],
    store: new MemoryIntentStore(),
    policy,
    token: 'x'.repeat(32),
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    errorAbi: [],
    ...(host === undefined ? {} : { host }),
  });
  try {
    const { port, hostname } = new URL(signer.url);
    expect(hostname).toBe(host ?? '127.0.0.1');
    // All of 127.0.0.0/8 is this machine, but a socket bound to 127.0.0.1 takes none of the rest.
    const answer = await fetch(`http://127.0.0.2:${port}/health`).catch(() => null);
    expect(answer?.status ?? null).toBe(reached ? 200 : null);
  } finally {
    await signer.close();
    provider.destroy();
  }
});

test('a signer is ready while it holds the lease, and not while another one does', async () => {
  const provider = new JsonRpcProvider('http://127.0.0.1:1', 31_337, { staticNetwork: true });
  let holds = false;
  const signer = await startSigner({
    provider,
    keys: [key],
    store: new MemoryIntentStore(),
    lease: { term: 1, assertHeld: () => (holds ? Promise.resolve() : Promise.reject(new LeaseLostError('this'))) },
    policy,
    token: 'x'.repeat(32),
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    errorAbi: [],
  });
  try {
    const status = async (): Promise<number> => (await fetch(`${signer.url}/ready`)).status;
    expect(await status()).toBe(503);
    holds = true;
    expect(await status()).toBe(200);
  } finally {
    await signer.close();
    provider.destroy();
  }
});
