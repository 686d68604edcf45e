import { describe, expect, test } from '@jest/globals';
import { SignerUnavailableError } from '../signer/signer-client.ts';
import { SignerAccounts } from './signer-accounts.ts';

const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const hour = 3_600_000;

/** A signer that answers, fails or hangs as it is told, and a clock. */
function bench() {
  const state = { now: 0, mode: 'up' as 'up' | 'down' | 'hung', accounts: ['0xAB'], asked: 0, returned: 0 };
  let release: (() => void) | null = null;
  const accounts = new SignerAccounts({
    signer: {
      accounts: async () => {
        state.asked++;
        if (state.mode === 'hung') await new Promise<void>((resolve) => (release = resolve));
        if (state.mode !== 'up') throw new SignerUnavailableError('it does not answer');
        return state.accounts;
      },
    },
    logger,
    onReturn: () => state.returned++,
    now: () => state.now,
  });
  const read = async () => {
    const { addresses, isReachable } = await accounts.read();
    return { addresses: [...addresses], isReachable };
  };
  return { state, read, release: () => release?.() };
}

/** What was asked in the background has come. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the accounts of the signer', () => {
  test('are asked for now and then, not on every look', async () => {
    const { state, read } = bench();
    for (let look = 0; look < 10; look++) expect(await read()).toEqual({ addresses: ['0xab'], isReachable: true });
    expect(state.asked).toBe(1);
    state.now = 10_001;
    state.accounts = ['0xCD'];
    expect(await read()).toEqual({ addresses: ['0xcd'], isReachable: true });
    expect(state.returned).toBe(0);
  });

  test('stay known while the signer is down, and it is known to be down', async () => {
    const { state, read } = bench();
    await read();
    state.mode = 'down';
    for (state.now = 10_001; state.now < hour; state.now += 60_000)
      expect(await read()).toEqual({ addresses: ['0xab'], isReachable: false });
  });

  test('are not believed for ever: the next signer may have other keys', async () => {
    const { state, read } = bench();
    await read();
    state.mode = 'down';
    state.now = hour + 1;
    await expect(read()).rejects.toThrow(SignerUnavailableError);
  });

  test('are unknown as long as the signer has never answered', async () => {
    const { state, read } = bench();
    state.mode = 'down';
    await expect(read()).rejects.toThrow(SignerUnavailableError);
    await expect(read()).rejects.toThrow(SignerUnavailableError);
    state.mode = 'up';
    expect(await read()).toEqual({ addresses: ['0xab'], isReachable: true });
  });

  test('of a signer that hangs are waited for once, not on every look; its return is told', async () => {
    const { state, read, release } = bench();
    await read();
    state.mode = 'down';
    state.now = 20_000;
    await read();
    state.mode = 'hung';
    for (let look = 0; look < 5; look++) expect((await read()).isReachable).toBe(false);
    expect(state.asked).toBe(3);
    state.mode = 'up';
    release();
    await settled();
    expect(state.returned).toBe(1);
    expect(await read()).toEqual({ addresses: ['0xab'], isReachable: true });
    expect(state.asked).toBe(3);
  });
});
