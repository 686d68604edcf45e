import { Bee, MerkleTree } from '@ethersphere/bee-js';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { bmtChunkAddress, BRANCHES, CHUNK_BYTES } from './chunk-address.ts';
import { ReferenceHasher, referenceOf } from './reference-hasher.ts';
import { childCount, childSpan, GROUP_BYTES } from './tree-shape.ts';

/** bee-js's own implementation, which shares no code with ours. */
async function beeReference(bytes: Uint8Array): Promise<string> {
  return `0x${Buffer.from((await MerkleTree.root(bytes)).hash()).toString('hex')}`;
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >>> 8) * 13 + (i >>> 16)) & 255);
}

describe('chunk addresses', () => {
  it.each([
    ['nothing', new Uint8Array(0), '0xb34ca8c22b9e982354f9c7f50b470d66db428d880c8a904d5fe4ec9713171526'],
    // The vectors that Bee tests its own hasher and chunker with.
    ['"foo"', Buffer.from('foo'), '0x2387e8e7d8a48c2a9339c97c1dc3461a9a7aa07e994c5cb8b38fd7c1b3e6ea48'],
    ['"hello world"', Buffer.from('hello world'), '0x92672a471f4419b255d7cb0cf313474a6f5856fb347c5ece85fb706d644b630f'],
  ])('gives the published address of %s', (_, payload, address) => {
    expect(referenceOf(payload)).toBe(address);
  });

  it('equals bee-js for every payload length around segment boundaries', () => {
    const bee = new Bee('http://localhost:1');
    for (const length of [
      1, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 129, 1000, 2047, 2048, 2049, 4064, 4095, 4096,
    ]) {
      const payload = pattern(length);
      expect([length, bmtChunkAddress(length, payload)]).toEqual([
        length,
        `0x${bee.makeContentAddressedChunk(payload).address.toHex()}`,
      ]);
      expect([length, bmtChunkAddress(2n ** 40n, payload)]).toEqual([
        length,
        `0x${bee.makeContentAddressedChunk(payload, 2n ** 40n).address.toHex()}`,
      ]);
    }
  });

  it('does not remember an earlier, longer payload', () => {
    bmtChunkAddress(CHUNK_BYTES, new Uint8Array(CHUNK_BYTES).fill(255));
    expect(bmtChunkAddress(33, pattern(33))).toBe(
      `0x${new Bee('http://localhost:1').makeContentAddressedChunk(pattern(33)).address.toHex()}`,
    );
  });

  it('refuses more than a chunk', () => {
    expect(() => bmtChunkAddress(4097, new Uint8Array(4097))).toThrow(RangeError);
  });
});

describe('references of files', () => {
  const around = (length: number): number[] => [length - 1, length, length + 1];
  const sizes = [
    ...around(CHUNK_BYTES),
    ...around(2 * CHUNK_BYTES),
    ...around(127 * CHUNK_BYTES),
    ...around(GROUP_BYTES),
    GROUP_BYTES + CHUNK_BYTES + 1,
    ...around(2 * GROUP_BYTES),
    129 * CHUNK_BYTES,
    130 * CHUNK_BYTES + 5,
  ];

  it.each(sizes)('equals bee-js for %d bytes', async (length) => {
    const bytes = pattern(length);
    expect(referenceOf(bytes)).toBe(await beeReference(bytes));
  });

  // A third level begins at 64 MiB: the lone chunk after it is carried up two levels. bee-js needs some ten seconds
  // for one such file, so the whole trees below are compared by their 512 KiB subtrees' references.
  it('carries a lone last chunk up at the third level', () => {
    const group = pattern(GROUP_BYTES);
    const hasher = new ReferenceHasher();
    for (let i = 0; i < BRANCHES; i++) hasher.update(group);
    const tail = hasher.update(pattern(1)).digest();
    const groupAddress = Buffer.from(referenceOf(group).slice(2), 'hex');
    const left = bmtChunkAddress(
      GROUP_BYTES * BRANCHES,
      Buffer.concat(Array.from({ length: BRANCHES }, () => groupAddress)),
    );
    const right = referenceOf(pattern(1));
    const children = Buffer.from(left.slice(2) + right.slice(2), 'hex');
    expect(tail).toBe(bmtChunkAddress(GROUP_BYTES * BRANCHES + 1, children));
  });

  it('does not depend on how the bytes arrive', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 600_000 }),
        fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 20 }),
        (length, cuts) => {
          const bytes = pattern(length);
          const hasher = new ReferenceHasher();
          let position = 0;
          for (const cut of cuts) {
            hasher.update(bytes.subarray(position, position + cut));
            position += cut;
          }
          expect(hasher.update(bytes.subarray(position)).digest()).toBe(referenceOf(bytes));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('emits chunks whose shape the reader derives from the span alone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 * GROUP_BYTES }), (length) => {
        new ReferenceHasher((_, span, payload) => {
          expect(payload.length).toBe(span <= CHUNK_BYTES ? span : childCount(span) * 32);
        })
          .update(new Uint8Array(length))
          .digest();
      }),
      { numRuns: 15 },
    );
    expect(childSpan(GROUP_BYTES)).toBe(CHUNK_BYTES);
    expect(childSpan(GROUP_BYTES + 1)).toBe(GROUP_BYTES);
  });
});
