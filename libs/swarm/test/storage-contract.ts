import { randomBytes } from 'node:crypto';
import { Bee, type BeeResponseError, MantarayNode, PrivateKey, Topic } from '@ethersphere/bee-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { referenceOf } from '../src/reference-hasher.ts';

/** A store under test. */
export interface StoreUnderTest {
  url: string;
  /** A usable batch; one is bought if not given, which costs money on a real node. */
  postageBatchId?: string;
  /** Ends it after the tests, if it was started for them. */
  stop?(): Promise<void>;
}

async function statusOf(action: Promise<unknown>): Promise<number | undefined> {
  return action.then(
    () => undefined,
    (error: unknown) => (error as BeeResponseError).status,
  );
}

/**
 * What we need of a Swarm store, asked through bee-js alone. It runs against the embedded store and against real Bee
 * nodes, so that the one can stand for the other.
 */
export function describeStorageContract(name: string, start: () => Promise<StoreUnderTest>): void {
  describe(`${name} as a Swarm store`, () => {
    let bee: Bee;
    let batch: string;
    let store: StoreUnderTest;

    beforeAll(async () => {
      store = await start();
      bee = new Bee(store.url);
      batch = store.postageBatchId ?? (await bee.createPostageBatch('500000000', 20)).toHex();
    });

    afterAll(() => store.stop?.());

    it.each([1, 31, 4095, 4096, 4097, 8192, 128 * 4096, 128 * 4096 + 1, 1_300_000])(
      'stores and returns %d bytes under our reference',
      async (length) => {
        const bytes = randomBytes(length);
        const { reference } = await bee.uploadData(batch, bytes);
        expect(`0x${reference.toHex()}`).toBe(referenceOf(bytes));
        expect(Buffer.compare((await bee.downloadData(reference)).toUint8Array(), bytes)).toBe(0);
        expect((await bee.probeData(reference)).contentLength).toBe(length);
      },
    );

    it('returns a byte range', async () => {
      const bytes = randomBytes(700_000);
      const { reference } = await bee.uploadData(batch, bytes);
      const part = await bee.downloadData(reference, undefined, { headers: { range: 'bytes=4000-530000' } });
      expect(Buffer.compare(part.toUint8Array(), bytes.subarray(4000, 530_001))).toBe(0);
    });

    it('stores and returns single chunks', async () => {
      const chunk = bee.makeContentAddressedChunk(randomBytes(1234));
      const { reference } = await bee.uploadChunk(batch, chunk.data);
      expect(reference.toHex()).toBe(chunk.address.toHex());
      expect(await bee.downloadChunk(reference)).toEqual(new Uint8Array(chunk.data));
    });

    it('returns the chunks of an uploaded file', async () => {
      const bytes = randomBytes(10_000);
      const { reference } = await bee.uploadData(batch, bytes);
      const root = await bee.downloadChunk(reference);
      expect(new DataView(root.buffer, root.byteOffset).getBigUint64(0, true)).toBe(10_000n);
      expect(root.length).toBe(8 + 3 * 32);
      const leaf = await bee.downloadChunk(Buffer.from(root.subarray(8, 40)).toString('hex'));
      expect(Buffer.compare(leaf.subarray(8), bytes.subarray(0, 4096))).toBe(0);
    });

    it('stores and returns single-owner chunks', async () => {
      const signer = new PrivateKey(randomBytes(32));
      const identifier = randomBytes(32);
      const payload = randomBytes(100);
      await bee.makeSOCWriter(signer).upload(batch, identifier, payload);
      const chunk = await bee.makeSOCReader(signer.publicKey().address()).download(identifier);
      expect(Buffer.compare(chunk.payload.toUint8Array(), payload)).toBe(0);
    });

    it('refuses a single-owner chunk that another key signed', async () => {
      const chunk = bee.makeContentAddressedChunk(randomBytes(50));
      const identifier = randomBytes(32);
      const signed = chunk.toSingleOwnerChunk(identifier, new PrivateKey(randomBytes(32)));
      const owner = new PrivateKey(randomBytes(32)).publicKey().address().toHex();
      const answer = await fetch(
        `${bee.url}/soc/${owner}/${identifier.toString('hex')}?sig=${signed.signature.toHex()}`,
        {
          method: 'POST',
          body: new Uint8Array(chunk.data),
          headers: { 'swarm-postage-batch-id': batch },
        },
      );
      expect(answer.status).toBe(401);
    });

    it('follows a feed of references and of payloads', async () => {
      const signer = new PrivateKey(randomBytes(32));
      const owner = signer.publicKey().address();
      const topic = new Topic(randomBytes(32));
      expect(await statusOf(bee.fetchLatestFeedUpdate(topic, owner))).toBe(404);
      const { reference } = await bee.uploadData(batch, randomBytes(77));
      const writer = bee.makeFeedWriter(topic, signer);
      await writer.uploadReference(batch, reference);
      const latest = await bee.makeFeedReader(topic, owner).downloadReference();
      expect(latest.reference.toHex()).toBe(reference.toHex());
      for (let index = 1; index <= 5; index++) {
        const payload = `update ${String(index)}`;
        await writer.uploadPayload(batch, payload, { index });
        const update = await bee.makeFeedReader(topic, owner).downloadPayload();
        expect(update.payload.toUtf8()).toBe(payload);
        expect(update.feedIndex.toBigInt()).toBe(BigInt(index));
        expect(update.feedIndexNext?.toBigInt()).toBe(BigInt(index) + 1n);
      }
    });

    it('gives a feed one reference by a manifest that names owner and topic', async () => {
      const owner = new PrivateKey(randomBytes(32)).publicKey().address();
      const topic = new Topic(randomBytes(32));
      const reference = await bee.createFeedManifest(batch, topic, owner);
      const manifest = await MantarayNode.unmarshal(bee, reference);
      await manifest.loadRecursively(bee);
      expect(manifest.find('/')?.metadata).toMatchObject({
        'swarm-feed-owner': owner.toHex(),
        'swarm-feed-topic': topic.toHex(),
      });
    });

    it('says that it does not have what nobody stored', async () => {
      const reference = randomBytes(32).toString('hex');
      expect([404, 500]).toContain(await statusOf(bee.downloadChunk(reference)));
      expect([404, 500]).toContain(await statusOf(bee.downloadData(reference)));
    });

    it('wants postage: none or a malformed batch is a bad request, an unknown one does not exist', async () => {
      const answer = await fetch(`${bee.url}/bytes`, { method: 'POST', body: 'x' });
      expect(answer.status).toBe(400);
      const short = await fetch(`${bee.url}/bytes`, {
        method: 'POST',
        body: 'x',
        headers: { 'swarm-postage-batch-id': 'zz' },
      });
      expect(short.status).toBe(400);
      expect([400, 404, 422]).toContain(await statusOf(bee.uploadData('ab'.repeat(32), 'x')));
    });

    it('lists, shows and describes the batch, and is healthy', async () => {
      const batches = await bee.getPostageBatches();
      expect(batches.map(({ batchID }) => batchID.toHex())).toContain(batch);
      expect(await bee.getPostageBatch(batch)).toMatchObject({ usable: true });
      expect((await bee.getHealth()).status).toBe('ok');
      expect(await bee.isConnected()).toBe(true);
      expect((await bee.getReadiness()).status).toBe('ready');
      expect((await bee.getNodeAddresses()).overlay.toHex()).toMatch(/^[0-9a-f]{64}$/);
    });
  });
}
