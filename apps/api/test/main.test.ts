import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TestClient } from './api-client.ts';
import { startTestStack, type TestStack } from './api-stack.ts';

const main = join(import.meta.dirname, '../dist/main.js');

describe('the API server as a process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cotrain-main-'));
  let stack: TestStack;
  let settings: Record<string, string>;

  beforeAll(async () => {
    stack = await startTestStack();
    writeFileSync(join(folder, 'token'), stack.signerToken, { mode: 0o600 });
    writeFileSync(join(folder, 'deployment.json'), JSON.stringify(stack.deployment));
    settings = {
      API_RPC_URL: stack.anvil.rpcUrl,
      API_DEPLOYMENT_FILE: join(folder, 'deployment.json'),
      API_SWARM_URL: stack.store.url,
      API_SIGNER_URL: stack.signer.url,
      API_SIGNER_TOKEN_FILE: join(folder, 'token'),
      API_WORK_FOLDER: folder,
      API_TRAINER_COMMAND: '["false"]',
      API_PORT: '0',
      LOG_LEVEL: 'debug',
    };
  }, 60_000);
  afterAll(async () => {
    await stack.close();
    rmSync(folder, { recursive: true });
  });

  const start = (
    changes: Record<string, string> = {},
  ): { child: ChildProcess; output: () => string; errors: () => string } => {
    const child = spawn(process.execPath, [main], {
      env: { PATH: process.env['PATH'], ...settings, ...changes },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    return { child, output: () => output, errors: () => errors };
  };

  test('says its URL, serves, logs JSON without secrets, and ends in order on SIGTERM', async () => {
    const { child, errors } = start();
    const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
    const { graphqlUrl } = JSON.parse(line) as { graphqlUrl: string };
    const client = await new TestClient(graphqlUrl).signIn(stack.wallets[1]!);
    expect((await client.data('{ me { address } }'))['me']).toEqual({ address: stack.wallets[1]!.address });
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    const lines = errors()
      .trim()
      .split('\n')
      .map((each) => JSON.parse(each) as { msg: string });
    expect(lines.map(({ msg }) => msg)).toEqual(expect.arrayContaining(['listening', 'stopping', 'stopped']));
    for (const secret of [stack.signerToken, client.token!, stack.wallets[1]!.privateKey])
      expect(errors()).not.toContain(secret);
  }, 60_000);

  test('ends with code 2 and one line for each wrong setting', async () => {
    const { child, errors, output } = start({ API_PORT: 'many', API_TRAINER_COMMAND: 'node' });
    expect(await once(child, 'exit')).toEqual([2, null]);
    expect(errors().trim().split('\n')).toHaveLength(2);
    expect(errors()).toContain('API_PORT is "many"');
    expect(output()).toBe('');
  }, 60_000);

  test('ends with code 1 when its database is not there, and starts without chain, store and signer', async () => {
    const { child, errors } = start({ DATABASE_URL: 'postgresql://nobody:hunter2@127.0.0.1:1/none' });
    expect(await once(child, 'exit')).toEqual([1, null]);
    expect(errors()).toContain('The API cannot run');
    expect(errors()).not.toContain('hunter2');

    const nowhere = 'http://127.0.0.1:1';
    const lonely = start({ API_RPC_URL: nowhere, API_SWARM_URL: nowhere, API_SIGNER_URL: nowhere });
    const [line] = (await once(createInterface({ input: lonely.child.stdout! }), 'line')) as [string];
    const response = await fetch(`${(JSON.parse(line) as { url: string }).url}/ready`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      database: 'ok',
      chain: 'does not answer',
      swarm: 'does not answer',
      signer: 'does not answer',
    });
    const ended = once(lonely.child, 'exit');
    lonely.child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  }, 90_000);
});
