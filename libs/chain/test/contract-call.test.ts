import { describe, expect, it } from '@jest/globals';
import type { Abi } from 'abitype';
import { AbiCoder, id, Interface, type InterfaceAbi, makeError, zeroPadValue } from 'ethers';
import fc from 'fast-check';
import { asChainError, decodeEvent, interfaceOf, readContract } from '../src/contract-call.ts';
import { CallRevertedError, ChainUnavailableError } from '../src/errors.ts';
import { sampledQuorumAbi, trainingMarketAbi } from '../src/generated/abi.ts';

const abi = [
  {
    type: 'event',
    name: 'Everything',
    inputs: [
      { name: 'who', type: 'address', indexed: true },
      { name: 'list', type: 'uint32[]', indexed: true },
      { name: 'small', type: 'uint32', indexed: false },
      { name: 'large', type: 'uint256', indexed: false },
      { name: 'signed', type: 'int64', indexed: false },
      { name: 'flag', type: 'bool', indexed: false },
      { name: 'four', type: 'bytes4', indexed: false },
      { name: 'some', type: 'bytes', indexed: false },
      { name: 'text', type: 'string', indexed: false },
      { name: 'accounts', type: 'address[]', indexed: false },
      { name: 'pair', type: 'uint16[2]', indexed: false },
      {
        name: 'struct',
        type: 'tuple',
        indexed: false,
        components: [
          { name: 'count', type: 'uint48' },
          { name: 'words', type: 'bytes32[]' },
        ],
      },
    ],
  },
  { type: 'error', name: 'TooLittle', inputs: [{ name: 'wanted', type: 'uint256' }] },
  { type: 'function', name: 'count', stateMutability: 'view', inputs: [], outputs: [{ name: '', type: 'uint256' }] },
] as const satisfies Abi;

const hexOf = (bytes: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => `0x${Buffer.from(value).toString('hex')}`);
const address = hexOf(20);
const args = fc.record({
  who: address,
  list: fc.array(fc.nat()),
  small: fc.nat({ max: 2 ** 32 - 1 }),
  large: fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
  signed: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  flag: fc.boolean(),
  four: hexOf(4),
  some: fc.uint8Array({ maxLength: 100 }).map((value) => `0x${Buffer.from(value).toString('hex')}`),
  text: fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed()),
  accounts: fc.array(address, { maxLength: 5 }),
  pair: fc.tuple(fc.nat({ max: 65_535 }), fc.nat({ max: 65_535 })),
  struct: fc.record({ count: fc.nat(), words: fc.array(hexOf(32), { maxLength: 3 }) }),
});

const ethersInterface = new Interface(abi as unknown as InterfaceAbi);
/** ethers cannot encode an indexed list; of it there is a hash. */
function encode({ who, list, ...values }: Record<string, unknown>): { topics: string[]; data: string } {
  const fragment = ethersInterface.getEvent('Everything')!;
  const inData = fragment.inputs.filter(({ indexed }) => indexed !== true);
  return {
    topics: [fragment.topicHash, zeroPadValue(String(who), 32), id(String(list))],
    data: AbiCoder.defaultAbiCoder().encode(inData, Object.values(values)),
  };
}

describe('decodeEvent', () => {
  it('gives back what was encoded, as ethers reads it', () => {
    fc.assert(
      fc.property(args, (values) => {
        const log = encode(values);
        const event = decodeEvent(abi, log);
        const reference = ethersInterface.parseLog(log)!.args;
        expect(event).toEqual({
          eventName: 'Everything',
          args: {
            ...values,
            who: reference.getValue('who') as string,
            list: log.topics[2],
            accounts: Array.from(reference.getValue('accounts') as string[]),
          },
        });
      }),
    );
  });

  it('knows every event of the market and of the quorum', () => {
    for (const contract of [trainingMarketAbi, sampledQuorumAbi] as Abi[]) {
      interfaceOf(contract).forEachEvent((fragment) => {
        const zero = fragment.inputs.map((input): unknown => AbiCoder.defaultAbiCoder().getDefaultValue([input])[0]);
        const log = interfaceOf(contract).encodeEventLog(fragment, zero);
        expect(decodeEvent(contract, log)).toMatchObject({ eventName: fragment.name });
      });
    }
  });

  it('gives null for other events, and for topics that are too few, too many or no words', () => {
    const log = encode(fc.sample(args, { numRuns: 1, seed: 1 })[0]!);
    expect(decodeEvent(abi, log)).not.toBeNull();
    expect(decodeEvent(abi, { ...log, topics: [] })).toBeNull();
    expect(decodeEvent(abi, { ...log, topics: [id('Other()'), ...log.topics.slice(1)] })).toBeNull();
    expect(decodeEvent(abi, { ...log, topics: log.topics.slice(0, -1) })).toBeNull();
    expect(decodeEvent(abi, { ...log, topics: [...log.topics, log.topics[0]!] })).toBeNull();
    expect(decodeEvent(abi, { ...log, topics: [log.topics[0]!, '0x', log.topics[2]!] })).toBeNull();
    expect(decodeEvent(abi, { ...log, topics: [log.topics[0]!, `0x${'f'.repeat(64)}`, log.topics[2]!] })).toBeNull();
  });

  it('gives an event or null for any damaged or made-up data, in little time', () => {
    const damaged = fc
      .tuple(
        args,
        fc.array(fc.tuple(fc.nat(), fc.constantFrom(...'0123456789abcdefg')), { maxLength: 6 }),
        fc.nat({ max: 3_000 }),
      )
      .map(([values, edits, cut]) => {
        const { data, topics } = encode(values);
        const characters = [...data];
        for (const [at, character] of edits) characters[2 + (at % (data.length - 2))] = character;
        return { topics, data: characters.join('').slice(0, 2 + cut) };
      });
    const madeUp = fc.tuple(args, fc.string(), fc.array(hexOf(32))).map(([values, text, words]) => ({
      topics: encode(values).topics,
      data: words.length > 0 ? `0x${words.map((word) => word.slice(2)).join('')}` : text,
    }));
    fc.assert(
      fc.property(fc.oneof(damaged, madeUp), (log) => {
        const event = decodeEvent(abi, log);
        if (event !== null) expect(event.args.small).toBeLessThan(2 ** 32);
      }),
      { numRuns: 800 },
    );
  });

  it('does no more work than the data is long, wherever its offsets point', () => {
    const nested = [
      { type: 'event', name: 'Nested', inputs: [{ name: 'all', type: 'uint256[][][]', indexed: false }] },
    ] as const satisfies Abi;
    const word = (value: number): string => value.toString(16).padStart(64, '0');
    // 500 rows of 500 that all point at one list of 500: 125 million values from 100 kB.
    const rows = word(500) + word(500 * 32).repeat(500);
    const data = `0x${word(32)}${word(500)}${word(500 * 32).repeat(500)}${rows}${word(500)}${word(7).repeat(500)}`;
    const started = performance.now();
    expect(decodeEvent(nested, { topics: [id('Nested(uint256[][][])')], data })).toBeNull();
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe('errors of calls', () => {
  const reverted = (data: string | null): Error =>
    makeError('execution reverted', 'CALL_EXCEPTION', {
      action: 'call',
      data,
      reason: null,
      transaction: { to: null, data: '0x' },
      invocation: null,
      revert: null,
    });

  it('name the contract’s custom error with its arguments', () => {
    const data = ethersInterface.encodeErrorResult('TooLittle', [5n]);
    expect(asChainError(reverted(data), 'eth_call', abi)).toMatchObject({
      reason: 'TooLittle(5)',
      errorName: 'TooLittle',
      retryable: false,
    });
  });

  it('are no surprise when a contract reverts with our selector and nonsense', () => {
    const selector = ethersInterface.encodeErrorResult('TooLittle', [5n]).slice(0, 10);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const error = asChainError(reverted(selector + Buffer.from(bytes).toString('hex')), 'eth_call', abi);
        expect(error).toBeInstanceOf(CallRevertedError);
      }),
    );
    expect(asChainError(reverted(null), 'eth_call', abi)).toBeInstanceOf(CallRevertedError);
  });

  it('of anything else say that the chain did not answer, and that a retry helps', () => {
    expect(asChainError(new Error('ECONNREFUSED'), 'eth_call')).toMatchObject({
      retryable: true,
      operation: 'eth_call',
    });
  });

  it.each([
    ['0x', CallRevertedError],
    ['0x01', ChainUnavailableError],
  ])('reading a view that answers %s gives a typed error', async (answer, type) => {
    const provider = { call: () => Promise.resolve(answer) } as never;
    await expect(
      readContract(provider, { abi, address: `0x${'1'.repeat(40)}`, functionName: 'count', args: [] }),
    ).rejects.toThrow(type);
  });
});
