import { describe, expect, it } from '@jest/globals';
import { AbiCoder, keccak256 as ethersKeccak } from 'ethers';
import fc from 'fast-check';
import { commitmentHash } from './commitment.ts';
import { InvalidEncodingError, InvalidReferenceError, OutOfRangeError, ProtocolError } from './errors.ts';
import {
  decodeJobHeader,
  encodeJobHeader,
  endsSegment,
  hashJobHeader,
  type JobHeader,
  segmentCount,
  segmentRange,
} from './job-header.ts';
import { keccak256 } from './keccak.ts';
import { type Reference, parseReference, toHex } from './reference.ts';

const reference = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes): Reference => toHex(bytes));
const header: fc.Arbitrary<JobHeader> = fc.record({
  jobSpecReference: reference,
  programReference: reference,
  trainingViewReference: reference,
  initialStateReference: reference,
  rows: fc.bigInt({ min: 1n, max: 2n ** 48n }),
  rowBytes: fc.integer({ min: 1, max: 2 ** 26 }),
  seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  steps: fc.integer({ min: 1, max: 2 ** 24 }),
  batchSize: fc.integer({ min: 1, max: 2 ** 20 }),
  commitEvery: fc.integer({ min: 1, max: 128 }),
});
const example = (changes: Partial<JobHeader> = {}): JobHeader => ({
  jobSpecReference: `0x${'11'.repeat(32)}`,
  programReference: `0x${'22'.repeat(32)}`,
  trainingViewReference: `0x${'33'.repeat(32)}`,
  initialStateReference: `0x${'44'.repeat(32)}`,
  rows: 10_000n,
  rowBytes: 785,
  seed: 7n,
  steps: 300,
  batchSize: 64,
  commitEvery: 50,
  ...changes,
});

describe('JobHeader', () => {
  it('is encoded as the contract’s abi.encode', () => {
    fc.assert(
      fc.property(header, (value) => {
        const abi = AbiCoder.defaultAbiCoder().encode(
          ['tuple(bytes32,bytes32,bytes32,bytes32,uint64,uint32,uint64,uint32,uint32,uint32)'],
          [Object.values(value)],
        );
        expect(toHex(encodeJobHeader(value))).toBe(abi);
        expect(hashJobHeader(value)).toBe(ethersKeccak(abi));
        expect(decodeJobHeader(encodeJobHeader(value))).toEqual(value);
      }),
    );
  });

  it.each([
    ['rows', 0n],
    ['rows', 2n ** 48n + 1n],
    ['rowBytes', 0],
    ['seed', 2n ** 64n],
    ['seed', -1n],
    ['steps', 1.5],
    ['steps', Number.NaN],
    ['batchSize', 2 ** 20 + 1],
    ['commitEvery', 129],
  ])('refuses %s = %p', (field, value) => {
    expect(() => encodeJobHeader(example({ [field]: value }))).toThrow(OutOfRangeError);
  });

  it('throws nothing but a ProtocolError for arbitrary bytes, and accepts only one encoding', () => {
    fc.assert(
      fc.property(header, fc.nat(319), fc.integer({ min: 1, max: 255 }), fc.nat(400), (value, at, change, length) => {
        const bytes = encodeJobHeader(value);
        bytes[at] = (bytes[at] as number) ^ change;
        try {
          expect(encodeJobHeader(decodeJobHeader(bytes))).toEqual(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
        if (length !== 320) expect(() => decodeJobHeader(new Uint8Array(length))).toThrow(InvalidEncodingError);
      }),
      { numRuns: 300 },
    );
  });

  it('covers every step with exactly one segment', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 128 }), (steps, commitEvery) => {
        let next = 0;
        for (let segment = 0; segment < segmentCount({ steps, commitEvery }); segment++) {
          const { firstStep, endStep } = segmentRange({ steps, commitEvery }, segment);
          expect(firstStep).toBe(next);
          for (let step = firstStep; step < endStep; step++) {
            if (endsSegment({ steps, commitEvery }, step) !== (step === endStep - 1))
              throw new Error(`step ${String(step)}`);
          }
          next = endStep;
        }
        expect(next).toBe(steps);
      }),
      { numRuns: 50 },
    );
    for (const segment of [-1, 6, 0.5, Number.NaN]) {
      expect(() => segmentRange({ steps: 300, commitEvery: 50 }, segment)).toThrow(OutOfRangeError);
    }
  });
});

describe('commitmentHash', () => {
  it('equals abi.encode and keccak256 of ethers', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        reference,
        reference,
        reference,
        (id, address, jobHeaderHash, logReference, modelReference) => {
          const commitment = {
            chainId: 31337n,
            market: toHex(address),
            offerId: id,
            trainer: toHex(address),
            jobHeaderHash,
            logReference,
            modelReference,
          };
          const abi = AbiCoder.defaultAbiCoder().encode(
            ['uint256', 'address', 'uint256', 'address', 'bytes32', 'bytes32', 'bytes32'],
            Object.values(commitment),
          );
          expect(commitmentHash(commitment)).toBe(ethersKeccak(abi));
        },
      ),
    );
  });
});

describe('keccak256 and references', () => {
  it('gives the published hashes', () => {
    expect(keccak256(new Uint8Array())).toBe('0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470');
    expect(keccak256(Buffer.from('abc'))).toBe('0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45');
  });

  it('reads references with and without 0x, in any case', () => {
    expect(parseReference('AB'.repeat(32), 'x')).toBe(`0x${'ab'.repeat(32)}`);
    expect(parseReference(`0x${'ab'.repeat(32)}`, 'x')).toBe(`0x${'ab'.repeat(32)}`);
  });

  it.each([
    '',
    '0x',
    'ab'.repeat(31),
    'ab'.repeat(33),
    'zz'.repeat(32),
    `0x${'ab'.repeat(32)} `,
    `0X${'ab'.repeat(32)}`,
    'a'.repeat(10_000_000),
  ])('refuses a bad reference with a short message', (value) => {
    expect(() => parseReference(value, 'jobSpecReference')).toThrow(InvalidReferenceError);
    try {
      parseReference(value, 'jobSpecReference');
    } catch (error) {
      expect((error as Error).message).toMatch(/^jobSpecReference is /);
      expect((error as Error).message.length).toBeLessThan(300);
    }
  });
});
