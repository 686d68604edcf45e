import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Bee } from '@ethersphere/bee-js';
import fc from 'fast-check';
import { type ScratchStore, startScratchStore } from '../test/scratch-store.ts';
import { bmtChunkAddress, chunkData } from './chunk-address.ts';
import { FileTooLargeError, MalformedFileError, NotFoundError, OutOfFileError, StoreRefusedError } from './errors.ts';
import { referenceOf } from './reference-hasher.ts';
import { SwarmClient } from './swarm-client.ts';
import { GROUP_BYTES } from './tree-shape.ts';

let store: ScratchStore;
beforeAll(async () => {
  store = await startScratchStore();
});
afterAll(() => store.remove());

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) {
    await Promise.resolve();
    yield bytes.subarray(start, start + size);
  }
}

describe('SwarmClient', () => {
  it.each([0, 1, 4096, 4097, GROUP_BYTES - 1, GROUP_BYTES, GROUP_BYTES + 1, GROUP_BYTES + 4097, 3 * GROUP_BYTES + 77])(
    'uploads %d bytes, whole or in pieces, under the reference that Bee gives, and downloads them',
    async (length) => {
      const client = new SwarmClient({ url: store.url });
      const bytes = randomBytes(length);
      const reference = await client.upload(bytes);
      expect(reference).toBe(referenceOf(bytes));
      expect(await client.upload(inPieces(bytes, 100_001))).toBe(reference);
      expect(Buffer.compare(await client.download(reference, { maxBytes: length }), bytes)).toBe(0);
      // The chunks above the groups are in the store too: it joins the file by itself.
      expect((await new Bee(store.url).downloadData(reference.slice(2))).toUint8Array().length).toBe(length);
    },
  );

  it('reads any range of a file, with a large cache and with a small one', async () => {
    const bytes = randomBytes(2 * GROUP_BYTES + 12_345);
    const reference = await new SwarmClient({ url: store.url }).upload(bytes);
    for (const cacheBytes of [2 ** 26, 2 ** 20, 0]) {
      const file = await new SwarmClient({ url: store.url, cacheBytes }).open(reference);
      expect(file.length).toBe(bytes.length);
      await fc.assert(
        fc.asyncProperty(fc.nat(bytes.length), fc.nat(200_000), async (offset, wanted) => {
          const length = Math.min(wanted, bytes.length - offset);
          expect(Buffer.compare(await file.read(offset, length), bytes.subarray(offset, offset + length))).toBe(0);
        }),
        { numRuns: 25 },
      );
    }
  });

  it('streams a range in order', async () => {
    const bytes = randomBytes(6 * GROUP_BYTES + 5);
    const client = new SwarmClient({ url: store.url });
    const file = await client.open(await client.upload(bytes));
    for (const [start, end] of [
      [0, bytes.length],
      [1, 2],
      [GROUP_BYTES - 1, 5 * GROUP_BYTES + 1],
      [bytes.length, bytes.length],
    ] as const) {
      const pieces: Uint8Array[] = [];
      for await (const piece of file.stream({ start, end })) pieces.push(piece);
      expect(Buffer.compare(Buffer.concat(pieces), bytes.subarray(start, end))).toBe(0);
    }
  });

  it('keeps what is read within the budget of the cache', async () => {
    const bytes = randomBytes(4 * GROUP_BYTES);
    const reference = await new SwarmClient({ url: store.url }).upload(bytes);
    let requests = 0;
    const counting: typeof fetch = (input, init) => {
      requests++;
      return fetch(input, init);
    };
    const file = await new SwarmClient({ url: store.url, fetch: counting, cacheBytes: 2 ** 24 }).open(reference);
    await file.read(0, bytes.length);
    const first = requests;
    await file.read(0, bytes.length);
    expect([first, requests]).toEqual([5, 5]);
  });

  it('fetches small reads of a file larger than the cache by chunk, not by group', async () => {
    const bytes = randomBytes(4 * GROUP_BYTES);
    const reference = await new SwarmClient({ url: store.url }).upload(bytes);
    let received = 0;
    const counting: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init);
      received += Number(answer.headers.get('content-length'));
      return answer;
    };
    const file = await new SwarmClient({ url: store.url, fetch: counting, cacheBytes: 2 ** 20 }).open(reference);
    for (let row = 0; row < 16; row++) await file.read(row * 100_000, 784);
    expect(received).toBeLessThan(16 * 3 * 4104);
  });

  it('refuses what is too long before fetching it, and reads outside the file', async () => {
    const client = new SwarmClient({ url: store.url });
    const reference = await client.upload(new Uint8Array(10_000));
    await expect(client.download(reference, { maxBytes: 9_999 })).rejects.toThrow(FileTooLargeError);
    const file = await client.open(reference);
    for (const [offset, length] of [
      [-1, 5],
      [0, 10_001],
      [10_000, 1],
      [0.5, 1],
      [0, Number.NaN],
      [2 ** 53, 1],
    ] as const) {
      await expect(file.read(offset, length)).rejects.toThrow(OutOfFileError);
    }
  });

  it('says what is not there', async () => {
    const client = new SwarmClient({ url: store.url });
    const reference = `0x${randomBytes(32).toString('hex')}` as const;
    await expect(client.open(reference)).rejects.toThrow(new NotFoundError(reference));
  });

  it('finds or buys postage in a development store, and says why an upload without is refused', async () => {
    const batch = await new SwarmClient({ url: store.url }).ensurePostage();
    expect(await new SwarmClient({ url: store.url }).ensurePostage()).toBe(batch);
    const wrong = new SwarmClient({ url: store.url, postageBatchId: 'ab'.repeat(32) });
    await expect(wrong.upload(new Uint8Array(1))).rejects.toThrow(StoreRefusedError);
    expect(await wrong.health()).toMatchObject({ version: expect.any(String) });
  });

  // A file's author is hostile too: these chunks hash to their references and lie about the file.
  it.each([
    ['a span beyond 2^53', 2n ** 60n, 64],
    ['an encrypted or erasure-coded span', 0x8100000000001001n, 64],
    ['a leaf with too few bytes', 100n, 50],
    ['a leaf with too many bytes', 10n, 50],
    ['an inner chunk with too few children', 1_000_000n, 32],
    ['an inner chunk with half a reference', 8192n, 48],
    ['no payload', 4097n, 0],
  ])('refuses a root with %s', async (_, span, payloadLength) => {
    const client = new SwarmClient({ url: store.url });
    const payload = new Uint8Array(payloadLength);
    await postChunk(client, span, payload);
    await expect(client.open(bmtChunkAddress(span, payload))).rejects.toThrow(MalformedFileError);
  });

  it('refuses a child whose span contradicts its parent, in place of reading past it', async () => {
    const client = new SwarmClient({ url: store.url });
    const child = referenceOf(new Uint8Array(5));
    await client.upload(new Uint8Array(5));
    const payload = Buffer.from(child.slice(2).repeat(2), 'hex');
    await postChunk(client, 8192n, payload);
    const file = await client.open(bmtChunkAddress(8192, payload));
    await expect(file.read(0, 8192)).rejects.toThrow(MalformedFileError);
  });

  it('does not follow a chunk that is its own ancestor’s size for ever', async () => {
    const client = new SwarmClient({ url: store.url });
    const missing = Buffer.alloc(64, 1);
    const span = BigInt(GROUP_BYTES) * 2n;
    await postChunk(client, span, missing);
    const file = await client.open(bmtChunkAddress(span, missing));
    await expect(file.read(0, 10)).rejects.toThrow(NotFoundError);
  });
});

async function postChunk(client: SwarmClient, span: bigint, payload: Uint8Array): Promise<void> {
  const headers = { 'swarm-postage-batch-id': await client.ensurePostage() };
  const body = new Uint8Array(chunkData(span, payload));
  expect((await fetch(`${client.url}/chunks`, { method: 'POST', body, headers })).status).toBe(201);
}
