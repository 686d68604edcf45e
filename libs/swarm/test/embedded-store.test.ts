import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Bee, PrivateKey } from '@ethersphere/bee-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SwarmClient } from '../src/swarm-client.ts';
import { startSwarmStore } from '../src/store/server.ts';
import { type ScratchStore, startScratchStore } from './scratch-store.ts';

let store: ScratchStore;
beforeAll(async () => {
  store = await startScratchStore(1_500_000);
});
afterAll(() => store.remove());

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

  it('does not let a slow client hold a connection', async () => {
    const patience = { headersMs: 100, idleMs: 2_000, bodyMs: 100, minBytesPerSecond: 1_000 };
    const strict = await startSwarmStore({ dir: `${store.dir}/strict`, patience });
    const batch = await new SwarmClient({ url: strict.url }).ensurePostage();
    const head = `POST /bytes HTTP/1.1\r\nhost: x\r\nswarm-postage-batch-id: ${batch}\r\ncontent-length: 100000\r\n\r\n`;
    // A byte now and then, in the body and in the headers.
    expect(await trickledStatus(strict.port, head)).toBe(408);
    expect([undefined, 408]).toContain(await trickledStatus(strict.port, 'GET /health HTTP/1.1\r\nx-slow: '));
    expect((await fetch(`${strict.url}/health`)).status).toBe(200);
    await strict.close();
  });

  it('says 507 when its disk takes no more, keeps nothing half-written, and works on', async () => {
    // A process that may not write files of a chunk's size stands for one whose disk is full.
    const dir = `${store.dir}/full`;
    const program = join(import.meta.dirname, '../dist/serve.js');
    const command = 'ulimit -f 4 && exec "$@"';
    const args = ['-c', command, 'bash', process.execPath, program, '--dir', dir, '--port', '0'];
    const child = spawn('bash', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      let url = '';
      for await (const line of createInterface({ input: child.stdout })) {
        url = (JSON.parse(line) as { url?: string }).url ?? url;
        if (line.includes('"ready"')) break;
      }
      const client = new SwarmClient({ url, retries: 1, sleep: () => Promise.resolve() });
      await expect(client.upload(randomBytes(4096))).rejects.toMatchObject({
        name: 'StoreUnavailableError',
        retryable: true,
        status: 507,
      });
      expect(readdirSync(`${dir}/incoming`)).toEqual([]);
      const small = randomBytes(1_000);
      const reference = await client.upload(small);
      expect(Buffer.compare(await client.download(reference, { maxBytes: 1_000 }), small)).toBe(0);
    } finally {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    }
  });

  it('refuses batches without end', async () => {
    const strict = await startSwarmStore({ dir: `${store.dir}/batches` });
    const buy = (): Promise<Response> => fetch(`${strict.url}/stamps/1/20`, { method: 'POST' });
    const template = { amount: '1', depth: 20, label: '', immutableFlag: true };
    await strict.close();
    const many = Array.from({ length: 4_095 }, (_, i) => ({
      batchID: i.toString(16).padStart(64, '0'),
      ...template,
    }));
    writeFileSync(`${store.dir}/batches/stamps.json`, JSON.stringify(many));
    const full = await startSwarmStore({ dir: `${store.dir}/batches`, port: strict.port });
    expect([(await buy()).status, (await buy()).status]).toEqual([201, 403]);
    await full.close();
  });

  it('refuses a single-owner chunk that claims more data than it has', async () => {
    const bee = new Bee(store.url);
    const batch = await new SwarmClient({ url: store.url }).ensurePostage();
    const signer = new PrivateKey(randomBytes(32));
    for (const span of [2n ** 60n, 5_000n, 100n]) {
      const identifier = randomBytes(32);
      const chunk = bee.makeContentAddressedChunk(randomBytes(50), span).toSingleOwnerChunk(identifier, signer);
      const path = `/soc/${signer.publicKey().address().toHex()}/${identifier.toString('hex')}`;
      const posted = await fetch(`${store.url}${path}?sig=${chunk.signature.toHex()}`, {
        method: 'POST',
        body: new Uint8Array(chunk.data.subarray(97)),
        headers: { 'swarm-postage-batch-id': batch },
      });
      expect(posted.status).toBe(201);
      expect((await fetch(`${store.url}${path}`)).status).toBe(500);
    }
  });

  it('survives arbitrary bytes on its socket', async () => {
    for (let i = 0; i < 20; i++) await rawStatus(store.port, randomBytes(200).toString('latin1'));
    expect((await fetch(`${store.url}/health`)).status).toBe(200);
  });
});

/** Sends the beginning of a request, then a byte every 30 ms, until the store has had enough. */
async function trickledStatus(port: number, beginning: string): Promise<number | undefined> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (data) => (answer += data.toString('latin1')));
  // A reset is one way of having had enough.
  socket.on('error', () => undefined);
  socket.write(beginning);
  const trickle = setInterval(() => socket.write('x'), 30);
  await once(socket, 'close');
  clearInterval(trickle);
  const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
  return status === undefined ? undefined : Number(status);
}

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
