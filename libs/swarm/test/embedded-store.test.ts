import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { Bee } from '@ethersphere/bee-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SwarmClient } from '../src/swarm-client.ts';
import { startSwarmStore } from '../src/store/server.ts';
import { type ScratchStore, startScratchStore } from './scratch-store.ts';
import { describeStorageContract } from './storage-contract.ts';

let store: ScratchStore;
beforeAll(async () => {
  store = await startScratchStore(1_500_000);
});
afterAll(() => store.remove());

describeStorageContract('the embedded store', () => Promise.resolve({ url: store.url }));

describe('the embedded store', () => {
  it('tops up and dilutes batches, and keeps them over a restart', async () => {
    const bee = new Bee(store.url);
    const batch = await bee.createPostageBatch('500000000', 20, { label: 'kept' });
    await bee.topUpBatch(batch, '500000000');
    await bee.diluteBatch(batch, 21);
    const second = await startSwarmStore({ dir: store.dir });
    const kept = await new Bee(second.url).getPostageBatch(batch);
    await second.close();
    expect(kept).toMatchObject({ label: 'kept', depth: 21, amount: '500000000' });
    expect(await bee.getPostageBatchBuckets(batch)).toMatchObject({ depth: 21, bucketDepth: 16 });
  });

  it('writes equal chunks once and leaves nothing half-written', async () => {
    const client = new SwarmClient({ url: store.url });
    const bytes = randomBytes(50_000);
    expect(await client.upload(bytes)).toBe(await client.upload(bytes));
    expect(readdirSync(`${store.dir}/incoming`)).toEqual([]);
  });

  it.each([
    ['GET', '/chunks/../../etc/passwd', 404],
    ['GET', '/chunks/..%2f..%2f..%2fetc%2fpasswd', 404],
    ['GET', `/chunks/${'0'.repeat(63)}/`, 404],
    ['GET', '/stamps.json', 404],
    ['GET', '//bytes//', 404],
    ['GET', `/${'a'.repeat(3000)}`, 414],
    ['DELETE', '/stamps', 405],
    ['POST', '/stamps/1/99', 400],
    ['POST', '/stamps/-1/20', 404],
    ['PATCH', `/stamps/topup/${'ab'.repeat(32)}/5`, 404],
    ['GET', `/feeds/${'ab'.repeat(20)}/${'cd'.repeat(32)}`, 404],
    ['GET', '/__proto__', 404],
    ['GET', '/constructor', 404],
  ])('answers %s %s with %d', async (method, path, status) => {
    // A raw socket, since fetch would tidy the path.
    expect(await rawStatus(store.port, `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)).toBe(
      status,
    );
  });

  it('refuses chunks that are too short or too long, and uploads over the limit', async () => {
    const batch = await new SwarmClient({ url: store.url }).ensurePostage();
    const post = async (path: string, length: number): Promise<number> => {
      const headers = { 'swarm-postage-batch-id': batch };
      return (await fetch(`${store.url}${path}`, { method: 'POST', body: new Uint8Array(length), headers })).status;
    };
    expect(await post('/chunks', 7)).toBe(400);
    expect(await post('/chunks', 4105)).toBe(413);
    expect(await post('/chunks', 4104)).toBe(201);
    expect(await post('/bytes', 1_500_001)).toBe(413);
    expect(await post('/bytes', 1_500_000)).toBe(201);
  });

  it('refuses encryption and redundancy, which would change the reference', async () => {
    const batch = await new SwarmClient({ url: store.url }).ensurePostage();
    for (const headers of [{ 'swarm-encrypt': 'true' }, { 'swarm-redundancy-level': '1' }]) {
      const answer = await fetch(`${store.url}/bytes`, {
        method: 'POST',
        body: 'x',
        headers: { ...headers, 'swarm-postage-batch-id': batch },
      });
      expect(answer.status).toBe(501);
    }
  });

  it.each([
    ['bytes=0-9', 206, 10],
    ['bytes=90-', 206, 10],
    ['bytes=-5', 206, 5],
    ['bytes=50-5000', 206, 50],
    ['bytes=100-', 416, undefined],
    ['bytes=9-3', 416, undefined],
    ['bytes=0-1,5-6', 200, 100],
    ['lines=1-2', 200, 100],
  ])('answers the range %s with %d', async (range, status, length) => {
    const reference = await new SwarmClient({ url: store.url }).upload(new Uint8Array(100).fill(7));
    const answer = await fetch(`${store.url}/bytes/${reference.slice(2)}`, { headers: { range } });
    expect(answer.status).toBe(status);
    const body = await answer.arrayBuffer();
    if (length !== undefined) expect(body.byteLength).toBe(length);
  });

  it('survives arbitrary bytes on its socket', async () => {
    for (let i = 0; i < 20; i++) await rawStatus(store.port, randomBytes(200).toString('latin1'));
    expect((await fetch(`${store.url}/health`)).status).toBe(200);
  });
});

function rawStatus(port: number, request: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(request, 'latin1'));
    socket.on('data', (data) => (answer += data.toString('latin1')));
    socket.on('error', reject);
    socket.on('close', () => {
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
      resolve(status === undefined ? undefined : Number(status));
    });
  });
}
