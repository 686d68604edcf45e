import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Api } from '../src/start-api.ts';
import { startTestStack, type TestStack } from './api-stack.ts';

const root = join(import.meta.dirname, '../../..');

let stack: TestStack;
let api: Api;
beforeAll(async () => {
  stack = await startTestStack();
  api = await stack.api();
}, 60_000);
afterAll(async () => {
  await stack.close();
});

test('the examples of docs/api.md work, one after the other, as a reader would run them', async () => {
  const markdown = readFileSync(join(root, 'docs/api.md'), 'utf8');
  const blocks = [...markdown.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block);
  expect(blocks).toHaveLength(5);
  const child = spawn('bash', ['-eo', 'pipefail', '-c', blocks.join('\n')], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      API: api.graphqlUrl,
      RPC: stack.anvil.rpcUrl,
      PAYER_KEY: stack.wallets[1]!.privateKey,
      JOB_SPEC: await stack.publishJob(),
      TOKEN: '',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  expect(errors).toBe('');
  expect(code).toBe(0);
  expect(output).not.toContain('"errors"');
  expect(output).toContain(`"me":{"address":"${stack.wallets[1]!.address}","roles":[]`);
  expect(output).toContain('Open an offer of 1.0 ETH (1000000000000000000 wei)');
  expect(output).toContain('Pay 1.01 ETH (1010000000000000000 wei), your share of offer 1');
  expect(output).toContain("{ id: 1, state: 'Bidding' }");
}, 120_000);
