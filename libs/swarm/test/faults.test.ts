import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CorruptChunkError, NotFoundError, StoreUnavailableError } from '../src/errors.ts';
import { referenceOf } from '../src/reference-hasher.ts';
import { SwarmClient, type SwarmClientOptions } from '../src/swarm-client.ts';
import { bmtChunkAddress, CHUNK_BYTES, SPAN_BYTES, spanOf } from '../src/chunk-address.ts';
import { GROUP_BYTES } from '../src/tree-shape.ts';
import { type ScratchStore, startScratchStore } from './scratch-store.ts';

let store: ScratchStore;
beforeAll(async () => {
  store = await startScratchStore();
});
afterAll(() => store.remove());

/** A client that does not wait between attempts. */
function impatient(options: Partial<SwarmClientOptions> = {}): SwarmClient {
  return new SwarmClient({ url: store.url, retries: 5, sleep: () => Promise.resolve(), cacheBytes: 0, ...options });
}

/** fetch whose n-th matching answer is replaced. */
function tampering(
  path: RegExp,
  tamper: (body: Uint8Array, answer: number) => Uint8Array | 'break' | 500,
): typeof fetch {
  let answers = 0;
  return async (input, init) => {
    const answer = await fetch(input, init);
    if (!path.test(String(input)) || !answer.ok) return answer;
    const changed = tamper(new Uint8Array(await answer.arrayBuffer()), answers++);
    if (changed === 500) return new Response('broken', { status: 500 });
    if (changed !== 'break') return new Response(new Uint8Array(changed));
    return new Response(
      new ReadableStream({
        start: (controller) => {
          controller.enqueue(new Uint8Array(10));
          controller.error(new Error('connection reset'));
        },
      }),
    );
  };
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}

describe('damaged data', () => {
  it('is refused with the reference and offset of the chunk, and read again once the disk is repaired', async () => {
    const bytes = randomBytes(GROUP_BYTES + 20_000);
    const reference = await impatient().upload(bytes);
    const offset = GROUP_BYTES + 2 * CHUNK_BYTES;
    const leaf = referenceOf(bytes.subarray(offset, offset + CHUNK_BYTES));
    const path = store.chunkPath(leaf);
    const stored = readFileSync(path);
    writeFileSync(path, flip(stored, 1000));
    const failure = await impatient()
      .download(reference, { maxBytes: bytes.length })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CorruptChunkError);
    expect(failure).toMatchObject({ reference: leaf, offset, retryable: true });
    writeFileSync(path, stored);
    expect(Buffer.compare(await impatient().download(reference, { maxBytes: bytes.length }), bytes)).toBe(0);
  });

  it('in an inner chunk is refused with that chunk’s reference', async () => {
    const bytes = randomBytes(3 * GROUP_BYTES);
    const reference = await impatient().upload(bytes);
    const inner = referenceOf(bytes.subarray(GROUP_BYTES, 2 * GROUP_BYTES));
    const path = store.chunkPath(inner);
    writeFileSync(path, flip(readFileSync(path), 500));
    const failure = await impatient()
      .download(reference, { maxBytes: bytes.length })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'CorruptChunkError', reference: inner, offset: GROUP_BYTES });
    // Uploading again repairs the store.
    await impatient().upload(bytes);
    expect((await impatient().download(reference, { maxBytes: bytes.length })).length).toBe(bytes.length);
  });

  it.each([
    ['cut off', (data: Buffer) => data.subarray(0, 100)],
    ['emptied', () => Buffer.alloc(0)],
    ['longer than a chunk', (data: Buffer) => Buffer.concat([data, data])],
    ['with another span', (data: Buffer) => Buffer.from(flip(data, 3))],
  ])('is refused when a file in the store is %s', async (_, damage) => {
    const bytes = randomBytes(10_000);
    const reference = await impatient().upload(bytes);
    const leaf = referenceOf(bytes.subarray(4096, 8192));
    writeFileSync(store.chunkPath(leaf), damage(readFileSync(store.chunkPath(leaf))));
    const failure = await impatient()
      .download(reference, { maxBytes: 10_000 })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'CorruptChunkError', reference: leaf, offset: 4096 });
  });

  it('that is missing is reported as missing', async () => {
    const bytes = randomBytes(10_000);
    const reference = await impatient().upload(bytes);
    const leaf = referenceOf(bytes.subarray(8192));
    rmSync(store.chunkPath(leaf));
    await expect(impatient().download(reference, { maxBytes: 10_000 })).rejects.toThrow(new NotFoundError(leaf));
  });

  it.each([
    ['corrupt', (body: Uint8Array) => flip(body, 5000)],
    ['too short', (body: Uint8Array) => body.subarray(1)],
    ['too long', (body: Uint8Array) => Buffer.concat([body, body])],
    ['empty', () => new Uint8Array(0)],
    ['broken off', () => 'break' as const],
    ['a server error', () => 500 as const],
  ])('in the first answer (%s) is got round by fetching again', async (_, tamper) => {
    const bytes = randomBytes(100_000);
    const reference = await impatient().upload(bytes);
    const once = (body: Uint8Array, answer: number): Uint8Array | 'break' | 500 => (answer === 0 ? tamper(body) : body);
    for (const path of [/\/bytes\//, /\/chunks\//]) {
      const client = impatient({ fetch: tampering(path, once) });
      expect(Buffer.compare(await client.download(reference, { maxBytes: bytes.length }), bytes)).toBe(0);
    }
  });

  it('in an upload’s answer is noticed', async () => {
    const lying = tampering(/\/bytes$/, () => Buffer.from(JSON.stringify({ reference: 'ab'.repeat(32) })));
    await expect(impatient({ fetch: lying }).upload(new Uint8Array(5))).rejects.toMatchObject({
      name: 'ReferenceMismatchError',
    });
    const nonsense = tampering(/\/bytes$/, () => Buffer.from('<html>'));
    await expect(impatient({ fetch: nonsense }).upload(new Uint8Array(5))).rejects.toThrow(StoreUnavailableError);
  });
});

describe('a store that is away', () => {
  it('is reported after the configured retries, with delays that double up to a cap', async () => {
    const delays: number[] = [];
    const client = new SwarmClient({
      url: 'http://127.0.0.1:9',
      retries: 8,
      random: () => 1,
      sleep: (milliseconds) => {
        delays.push(milliseconds);
        return Promise.resolve();
      },
    });
    await expect(client.open(`0x${'ab'.repeat(32)}`)).rejects.toMatchObject({
      name: 'StoreUnavailableError',
      retryable: true,
    });
    expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  });

  it('times out each attempt', async () => {
    const hanging: typeof fetch = (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => {
          reject(init.signal?.reason as Error);
        });
      });
    const client = impatient({ fetch: hanging, timeoutMs: 30, retries: 2 });
    await expect(client.open(`0x${'ab'.repeat(32)}`)).rejects.toThrow(/no answer within 30 ms/);
  });

  it('stops at once when the caller aborts', async () => {
    const abort = new AbortController();
    const client = new SwarmClient({ url: 'http://127.0.0.1:9', signal: abort.signal });
    const opening = client.open(`0x${'ab'.repeat(32)}`);
    setTimeout(() => {
      abort.abort(new Error('enough'));
    }, 50);
    await expect(opening).rejects.toThrow();
    expect(abort.signal.aborted).toBe(true);
  });

  it('killed in the middle of a download and started again only delays it', async () => {
    const port = await freePort();
    let server = await startProcess(port);
    const url = `http://127.0.0.1:${String(port)}`;
    const bytes = randomBytes(12 * GROUP_BYTES);
    const client = new SwarmClient({ url, cacheBytes: 0 });
    const file = await client.open(await client.upload(bytes));
    const pieces: Uint8Array[] = [];
    for await (const piece of file.stream()) {
      pieces.push(piece);
      if (pieces.length !== 3) continue;
      server.kill('SIGKILL');
      await once(server, 'exit');
      // While the next pieces are asked for in vain, the store comes back.
      setTimeout(() => {
        void startProcess(port).then((restarted) => (server = restarted));
      }, 1_000);
    }
    expect(Buffer.compare(Buffer.concat(pieces), bytes)).toBe(0);
    const uploading = client.upload(randomBytes(12 * GROUP_BYTES));
    server.kill('SIGKILL');
    await once(server, 'exit');
    server = await startProcess(port);
    const reference = await uploading;
    expect((await new SwarmClient({ url }).download(reference, { maxBytes: 12 * GROUP_BYTES })).length).toBe(
      12 * GROUP_BYTES,
    );
    server.kill('SIGKILL');
    await once(server, 'exit');
  }, 60_000);
});

describe('a store that is killed', () => {
  it('has whole chunks only, whenever it happens', async () => {
    const dir = join(store.dir, 'process');
    for (let round = 0; round < 6; round++) {
      const port = await freePort();
      const server = await startProcess(port);
      const client = new SwarmClient({ url: `http://127.0.0.1:${String(port)}`, retries: 0 });
      const uploading = client.upload(randomBytes(8 * GROUP_BYTES)).catch(() => undefined);
      await delay(20 + Math.random() * 250);
      server.kill('SIGKILL');
      await once(server, 'exit');
      await uploading;
    }
    let chunks = 0;
    for (const folder of readdirSync(join(dir, 'chunks'))) {
      for (const name of readdirSync(join(dir, 'chunks', folder))) {
        const data = readFileSync(join(dir, 'chunks', folder, name));
        expect(bmtChunkAddress(spanOf(data), data.subarray(SPAN_BYTES))).toBe(`0x${name}`);
        chunks++;
      }
    }
    expect(chunks).toBeGreaterThan(0);
    // What was being written is swept away at the next start.
    const server = await startProcess(await freePort());
    expect(readdirSync(join(dir, 'incoming'))).toEqual([]);
    const ended = once(server, 'exit');
    server.kill();
    await ended;
  }, 60_000);
});

async function freePort(): Promise<number> {
  const probe = await startScratchStore();
  await probe.remove();
  return probe.port;
}

async function startProcess(port: number): Promise<ChildProcess> {
  const program = join(import.meta.dirname, '../dist/serve.js');
  const child = spawn(process.execPath, [program, '--dir', join(store.dir, 'process'), '--port', String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('"ready"')) return child;
  }
  throw new Error('The store did not start.');
}
