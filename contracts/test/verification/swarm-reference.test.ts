import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { bmtChunkAddress, childCount, childSpan, referenceOf } from '@cotrain/swarm';
import fc from 'fast-check';
import { type Evm, type EvmContract, reasonOf, startEvm } from './evm.ts';
import { FileProver, siblings } from './swarm-proof.ts';

let evm: Evm;
let contract: EvmContract;
before(async () => {
  evm = await startEvm([], ['test/verification/SwarmReferenceHarness.sol']);
  contract = evm.contracts['SwarmReferenceHarness']!;
});
after(() => evm.close());

/** Bytes without a pattern, none of them zero. */
function bytesOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0, block = 0; at < length; at += 32, block++)
    bytes.set(
      createHash('sha256')
        .update(String(block))
        .digest()
        .subarray(0, length - at),
      at,
    );
  return bytes.map((byte) => byte || 1);
}

const group = 128 * 4096;
const provers = new Map<number, FileProver>();
function proverOf(length: number): FileProver {
  const prover = provers.get(length) ?? new FileProver(bytesOf(length));
  provers.set(length, prover);
  return prover;
}

/** Around every border of chunks, groups and levels, and lone last children at one and at two levels. */
const lengths = [
  ...[1, 31, 32, 33, 63, 64, 1024, 2047, 4095, 4096, 4097, 8191, 8192, 8193],
  ...[127 * 4096, group - 1, group, group + 1, group + 4096, group + 4097, 129 * 4096 + 1, 2 * group, 2 * group + 5],
];

for (const length of lengths) {
  void test(`pieces of a file of ${String(length)} bytes are proven at their places`, async () => {
    const file = proverOf(length);
    const places = [0, 32, 1024, 4064, 4096, length - 1, length - 33, length / 2, group - 32, group, group + 64];
    for (const place of places.filter((at) => at >= 0 && at < length))
      for (const size of [32, 64, 1024, 4096]) {
        const offset = Math.floor(place / size) * size;
        const { piece, proof } = file.prove(offset, size);
        await contract.call('prove', file.reference, length, offset, piece, proof);
      }
  });
}

void test('pieces of a file of three levels are proven, also in the last, lone children', async () => {
  const bytes = new Uint8Array(128 * group + 4096 + 7).fill(3); // equal groups, so that hashing is quick
  bytes.set(bytesOf(8000), 128 * group - 4096);
  const file = new FileProver(bytes);
  for (const place of [0, group, 128 * group - 4096, 128 * group, 128 * group + 4096]) {
    for (const size of [32, 1024, 4096]) {
      const { piece, proof } = file.prove(place, size);
      await contract.call('prove', file.reference, bytes.length, place, piece, proof);
    }
  }
});

void test('any piece of a file of any length is proven', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 * group }),
      fc.nat(),
      fc.integer({ min: 0, max: 7 }),
      async (length, at, k) => {
        const file = new FileProver(bytesOf(length));
        const size = 32 * 2 ** k;
        const offset = Math.floor((at % length) / size) * size;
        const { piece, proof } = file.prove(offset, size);
        await contract.call('prove', file.reference, length, offset, piece, proof);
      },
    ),
    { numRuns: 25 },
  );
});

void test('a trace of 8 GiB and a little more: four levels, and a last child that is a file of its own', async () => {
  // All full chunks are equal, and so are the chunks of each level: one of each is hashed.
  const leaf = bytesOf(4096);
  const levels = [{ payload: leaf, address: bmtChunkAddress(4096, leaf) }];
  for (let level = 1; level <= 3; level++) {
    const below = Buffer.from(levels[level - 1]!.address.slice(2), 'hex');
    const payload = Buffer.concat(new Array<Buffer>(128).fill(below));
    levels.push({ payload, address: bmtChunkAddress(4096 * 128 ** level, payload) });
  }
  const whole = 4096 * 128 ** 3;
  const indexAt = (offset: number, level: number): number => Math.floor(offset / (4096 * 128 ** (level - 1))) % 128;
  const proofAt = (offset: number, size: number): string[] => [
    ...siblings(leaf, offset % 4096, size),
    ...[1, 2, 3].flatMap((level) => siblings(levels[level]!.payload, indexAt(offset, level) * 32, 32)),
  ];
  const tail = new FileProver(bytesOf(4101));
  const rootPayload = Buffer.from(`${levels[3]!.address.slice(2)}${tail.reference.slice(2)}`, 'hex');
  const length = whole + 4101;
  const root = bmtChunkAddress(length, rootPayload);
  for (const offset of [0, 1024, 4096 * 127, 5 * 4096 * 128 ** 2 + 77 * 4096 + 3072, whole - 1024]) {
    const piece = leaf.subarray(offset % 4096, (offset % 4096) + 1024);
    const proof = proofAt(offset, 1024);
    await contract.call('prove', levels[3]!.address, whole, offset, piece, proof);
    await contract.call('prove', root, length, offset, piece, [...proof, ...siblings(rootPayload, 0, 32)]);
    assert.equal(
      await reasonOf(contract.call('prove', root, length, offset, piece, proof)),
      'WrongProofLength',
      'a level left out',
    );
  }
  for (const offset of [0, 4064, 4096]) {
    const { piece, proof } = tail.prove(offset, 32);
    await contract.call('prove', root, length, whole + offset, piece, [...proof, ...siblings(rootPayload, 32, 32)]);
  }
});

void test('the shape of a tree is that of libs/swarm for any length', async () => {
  const borders = [1, 2, 3, 4].flatMap((k) => [-1, 0, 1].map((d) => 4096 * 128 ** k + d));
  for (const span of [...lengths, ...borders, 2 ** 53 - 1]) {
    const [child, count] = await contract.call('shape', span);
    assert.deepEqual([Number(child), Number(count)], [childSpan(span), childCount(span)], String(span));
  }
});

void test('every chunk of a file opens under its address, with its own length only', async () => {
  for (const length of [0, 1, 32, 33, 4095, 4096, 5000, 3 * 4096, group, group + 1, 2 * group + 5]) {
    const file = proverOf(length);
    if (length === 0) {
      await contract.call('open', file.reference, 0, new Uint8Array());
      continue;
    }
    for (const { address, payload, span } of file.prove(Math.floor((length - 1) / 32) * 32, 32).chunks) {
      await contract.call('open', address, span, payload);
      assert.equal(await reasonOf(contract.call('open', address, span, payload.slice(1))), 'WrongPayloadLength');
      const longer = Buffer.concat([payload, Buffer.alloc(32)]);
      assert.equal(await reasonOf(contract.call('open', address, span, longer)), 'WrongPayloadLength');
      const changed = Buffer.from(payload);
      changed[changed.length - 1]! ^= 1;
      assert.equal(await reasonOf(contract.call('open', address, span, changed)), 'OtherReference');
      for (const lie of [span + 1, span - 1, span + 4096])
        assert.match(await reasonOf(contract.call('open', address, lie, payload)), /WrongPayloadLength|OtherReference/);
    }
  }
});

void test('no other piece, place, length or proof is accepted', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...lengths.filter((each) => each > 64)),
      fc.nat(),
      fc.constantFrom(32, 64, 1024, 4096),
      fc.nat(),
      fc.constantFrom('piece', 'proof', 'place', 'length', 'shorter', 'longer', 'swapped', 'reference'),
      async (length, at, size, choice, lie) => {
        const file = proverOf(length);
        const offset = Math.floor((at % length) / size) * size;
        let { piece, proof } = file.prove(offset, size);
        // A whole file of one chunk has no proof, which cannot be wrong.
        fc.pre(proof.length > 1 || ['piece', 'place', 'length', 'reference'].includes(lie));
        let [claimedOffset, claimedLength, reference] = [offset, length, file.reference];
        const index = choice % Math.max(1, proof.length);
        if (lie === 'piece') piece = piece.with(choice % size, (piece[choice % size] ?? 0) ^ (1 + (choice % 255)));
        if (lie === 'reference') reference = referenceOf(piece.slice(1));
        if (lie === 'place') claimedOffset = (choice % Math.ceil(length / size)) * size;
        if (lie === 'length') claimedLength = 1 + (choice % (3 * length));
        if (lie === 'shorter') proof = proof.slice(0, index);
        if (lie === 'longer') proof = [...proof, proof[index] ?? ''];
        if (lie === 'proof') proof = proof.with(index, referenceOf(Buffer.from(proof[index] ?? '')));
        if (lie === 'swapped') proof = [...proof.slice(1), ...proof.slice(0, 1)];
        fc.pre((lie !== 'place' || claimedOffset !== offset) && (lie !== 'length' || claimedLength !== length));
        const reason = await reasonOf(contract.call('prove', reference, claimedLength, claimedOffset, piece, proof));
        assert.match(reason, /OtherReference|WrongProofLength|NonZeroTail|OutOfFile/, lie);
      },
    ),
    { numRuns: 300 },
  );
});

void test('an inner node is no data: neither a reference as a segment nor a Merkle node of a leaf', async () => {
  const length = 3 * 4096;
  const file = proverOf(length);
  const { proof, chunks } = file.prove(4096, 32);
  const root = chunks[1]!;
  const second = root.payload.subarray(32, 64);
  // The reference of chunk 1 with the proof that it has in the root chunk, as if the file were that chunk.
  const inRoot = proof.slice(7);
  assert.equal(await reasonOf(contract.call('prove', file.reference, 96, 32, second, inRoot)), 'OtherReference');
  assert.equal(await reasonOf(contract.call('prove', file.reference, length, 32, second, inRoot)), 'WrongProofLength');
  // Two Merkle nodes, as if they were 64 bytes of data one level further down.
  const nodes = Buffer.from(`${proof[5]!.slice(2)}${proof[6]!.slice(2)}`, 'hex');
  assert.equal(
    await reasonOf(contract.call('prove', file.reference, length, 0, nodes, proof.slice(1))),
    'OtherReference',
  );
});

void test('offsets and sizes outside of what a tree has are refused by name', async () => {
  const file = proverOf(5000);
  const { piece, proof } = file.prove(0, 32);
  const huge = 2n ** 64n;
  const attempts: [number | bigint, number | bigint, Uint8Array, string][] = [
    [5000, 5000, piece, 'OutOfFile'],
    [5000, 5024, piece, 'OutOfFile'],
    [5000, 2n ** 256n - 32n, piece, 'OutOfFile'],
    [huge, 0, piece, 'OutOfFile'],
    [0, 0, piece, 'OutOfFile'],
    [5000, 16, piece, 'NotAPiece'],
    [5000, 32, Buffer.alloc(64), 'NotAPiece'],
    [5000, 0, Buffer.alloc(0), 'NotAPiece'],
    [5000, 0, Buffer.alloc(16), 'NotAPiece'],
    [5000, 0, Buffer.alloc(96), 'NotAPiece'],
    [5000, 0, Buffer.alloc(8192), 'NotAPiece'],
    [5000, 4992, Buffer.alloc(32, 1), 'NonZeroTail'],
  ];
  for (const [length, offset, data, reason] of attempts)
    assert.equal(await reasonOf(contract.call('prove', file.reference, length, offset, data, proof)), reason);
  const tail = file.prove(4096, 1024).piece.with(1023, 1);
  assert.equal(await reasonOf(contract.call('prove', file.reference, 5000, 4096, tail, proof)), 'NonZeroTail');
  assert.equal(await reasonOf(contract.call('open', file.reference, huge, piece)), 'OutOfFile');
  assert.equal(await reasonOf(contract.call('chunkAddress', 32, Buffer.alloc(4097))), 'WrongPayloadLength');
});

void test('a chunk that was made with bytes behind its end proves only zeros there', async () => {
  // Nobody who uploads a file makes such a chunk; a cheat can, by hashing 4,096 bytes under a span of 40.
  const payload = bytesOf(4096);
  const [reference] = (await contract.call('chunkAddress', 40, payload)) as [string];
  const { proof } = new FileProver(payload).prove(32, 32);
  const piece = payload.subarray(32, 64);
  assert.equal(await reasonOf(contract.call('prove', reference, 40, 32, piece, proof)), 'NonZeroTail');
  assert.equal(await reasonOf(contract.call('open', reference, 40, payload)), 'WrongPayloadLength');
});
