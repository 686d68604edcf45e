import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Anvil, ChainUnavailableError, startAnvil } from '@cotrain/chain';
import fc from 'fast-check';
import { hexlify, JsonRpcProvider, randomBytes, Wallet } from 'ethers';
import { SiweMessage } from 'siwe';
import { nonceLifetimeMs, Nonces } from '../src/auth/nonces.ts';
import { SignIn } from '../src/auth/sign-in.ts';
import { SignInRefusedError } from '../src/auth/sign-in-message.ts';
import { createDatabase, type Database } from '../src/database/database.ts';

const minuteMs = 60_000;
const rules = { chainId: 31_337, origins: ['https://api.example.org', 'https://app.example.org'] };

describe('sign-in with Ethereum', () => {
  let database: Database;
  let anvil: Anvil;
  let provider: JsonRpcProvider;
  let now: Date;
  let signIn: SignIn;
  const wallet = Wallet.createRandom();
  const make = (nonceSecret = 'the same on every replica'): SignIn =>
    new SignIn({ database, provider, rules: () => rules, nonceSecret, now: () => now });

  beforeAll(async () => {
    [database, anvil] = await Promise.all([createDatabase({}), startAnvil()]);
    provider = new JsonRpcProvider(anvil.rpcUrl, anvil.chainId, { staticNetwork: true });
  });
  afterAll(async () => {
    provider.destroy();
    await Promise.all([database.close(), anvil.close()]);
  });
  beforeEach(async () => {
    now = new Date('2026-05-01T12:00:00Z');
    signIn = make();
    await database.prisma.session.deleteMany();
    await database.prisma.signInNonce.deleteMany();
  });

  /** A message as a front end writes it, with what a test changes. */
  const message = (changes: Partial<SiweMessage> = {}): string =>
    new SiweMessage({
      domain: 'app.example.org',
      address: wallet.address,
      statement: 'Sign in',
      uri: 'https://app.example.org/login',
      version: '1',
      chainId: 31_337,
      nonce: signIn.nonce(),
      issuedAt: now.toISOString(),
      ...changes,
    }).prepareMessage();
  const attempt = async (text: string, by: Pick<Wallet, 'signMessage'> = wallet): Promise<string> => {
    try {
      return (await signIn.signIn(text, await by.signMessage(text))).token;
    } catch (error) {
      if (error instanceof SignInRefusedError) return `refused: ${error.field}`;
      throw error;
    }
  };

  test('gives a session to who signs the message that the API wrote', async () => {
    const text = signIn.message(wallet.address);
    const { token, address, expiresAt } = await signIn.signIn(text, await wallet.signMessage(text));
    expect(address).toBe(wallet.address);
    expect(await signIn.identify(`Bearer ${token}`)).toMatchObject({ address: wallet.address, expiresAt });
    const stored = await database.prisma.session.findMany();
    expect(JSON.stringify(stored)).not.toContain(token);
  });

  test('takes a message that a front end on a permitted origin wrote', async () => {
    expect(await attempt(message())).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  const hour = 3_600_000;
  const at = (ms: number): string => new Date(Date.parse('2026-05-01T12:00:00Z') + ms).toISOString();
  test.each<[string, Partial<SiweMessage>, string]>([
    ['of another domain', { domain: 'evil.example.org' }, 'domain'],
    ['whose URI is on another site', { uri: 'https://evil.example.org/login' }, 'uri'],
    ['whose URI is on another of our sites', { uri: 'https://api.example.org/' }, 'uri'],
    ['whose URI has another scheme', { uri: 'http://app.example.org/login' }, 'uri'],
    ['for another chain', { chainId: 1 }, 'chainId'],
    ['that expired', { expirationTime: at(-1) }, 'expirationTime'],
    ['that is not good yet', { notBefore: at(1_000) }, 'notBefore'],
    ['from long ago', { issuedAt: at(-11 * minuteMs) }, 'issuedAt'],
    ['from the future', { issuedAt: at(hour) }, 'issuedAt'],
    ['with a nonce of its own', { nonce: 'abcdefgh12345678' }, 'nonce'],
  ])('refuses a message %s', async (_, changes, field) => {
    expect(await attempt(message(changes))).toBe(`refused: ${field}`);
    expect(await database.prisma.session.count()).toBe(0);
  });

  test("refuses somebody else's signature, and a signature of another text", async () => {
    expect(await attempt(message(), Wallet.createRandom())).toBe('refused: signature');
    const signed = await wallet.signMessage(message());
    await expect(signIn.signIn(message(), signed)).rejects.toThrow('signature: is not one of');
    await expect(signIn.signIn(message(), '0x')).rejects.toThrow('signature: is not one of');
    await expect(signIn.signIn(message(), `0x${'00'.repeat(65)}`)).rejects.toThrow('signature: is not one of');
  });

  test('takes a message once, also when it comes twice at the same time', async () => {
    const text = message();
    const signature = await wallet.signMessage(text);
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => signIn.signIn(text, signature)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results)
      if (result.status === 'rejected') expect(String(result.reason)).toContain('nonce: was used already');
    now = new Date(now.getTime() + 5 * minuteMs);
    await expect(signIn.signIn(text, signature)).rejects.toThrow('nonce: was used already');
  });

  test('refuses a nonce that is too old, and one of a deployment with another secret', async () => {
    const old = message({ nonce: signIn.nonce() });
    now = new Date(now.getTime() + nonceLifetimeMs);
    const fresh = new SiweMessage(old);
    fresh.issuedAt = now.toISOString();
    expect(await attempt(fresh.prepareMessage())).toBe('refused: nonce');
    expect(await attempt(message({ nonce: make('another secret').nonce() }))).toBe('refused: nonce');
    expect(await attempt(message({ nonce: make().nonce() }))).not.toContain('refused');
  });

  test('stores nothing for nonces that are not used, however many are asked for', async () => {
    const nonces = new Set(Array.from({ length: 10_000 }, () => signIn.nonce()));
    expect(nonces.size).toBe(10_000);
    expect(await database.prisma.signInNonce.count()).toBe(0);
  });

  test('refuses any nonce that is not exactly one of its own (property)', () => {
    const nonces = new Nonces('secret', () => now);
    const genuine = nonces.create();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 79 }), fc.constantFrom(...'0123456789abcdef'), (position, digit) => {
        const forged = genuine.slice(0, position) + digit + genuine.slice(position + 1);
        expect(nonces.expiryOf(forged) !== null).toBe(forged === genuine);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => nonces.expiryOf(text) === null));
  });

  test('ends a session after its time, on signing out, and everywhere when asked', async () => {
    const tokens = [await attempt(message()), await attempt(message()), await attempt(message())];
    const identities = await Promise.all(tokens.map((token) => signIn.identify(`Bearer ${token}`)));
    await signIn.signOut(identities[0]!, false);
    expect(await signIn.identify(`Bearer ${tokens[0]!}`)).toBeNull();
    expect(await signIn.identify(`Bearer ${tokens[1]!}`)).not.toBeNull();
    await signIn.signOut(identities[1]!, true);
    expect(await signIn.identify(`Bearer ${tokens[2]!}`)).toBeNull();

    const late = await attempt(message());
    now = new Date(now.getTime() + 12 * hour - 1);
    expect(await signIn.identify(`Bearer ${late}`)).not.toBeNull();
    now = new Date(now.getTime() + 1);
    expect(await signIn.identify(`Bearer ${late}`)).toBeNull();
  });

  test('keeps a bounded number of sessions of one address and forgets what has expired', async () => {
    for (let index = 0; index < 25; index++) await attempt(message());
    expect(await database.prisma.session.count()).toBe(20);
    now = new Date(now.getTime() + 13 * hour);
    await attempt(message());
    expect(await database.prisma.session.count()).toBe(1);
    expect(await database.prisma.signInNonce.count()).toBe(1);
  });

  test('takes no token but a whole one in the header', async () => {
    const token = await attempt(message());
    for (const header of [undefined, '', token, `Bearer ${token}x`, `Bearer ${token.slice(1)}`, `Basic ${token}`])
      expect(await signIn.identify(header)).toBeNull();
  });

  test('refuses what is no message, whatever it is', async () => {
    await expect(signIn.signIn('x'.repeat(4_097), '0x00')).rejects.toThrow('message: has 4097 characters');
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
        await expect(signIn.signIn(text, '0x00')).rejects.toBeInstanceOf(SignInRefusedError);
      }),
      { numRuns: 50 },
    );
  });

  describe('contract wallets (EIP-1271)', () => {
    const withCode = async (runtime: string): Promise<string> => {
      const account = new Wallet(hexlify(randomBytes(32))).address;
      await provider.send('anvil_setCode', [account, runtime]);
      return account;
    };
    // PUSH4 answer, PUSH1 224, SHL, PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN
    const answering = (bytes4: string): string => `0x63${bytes4}60e01b60005260206000f3`;

    test('are signed in when the contract says yes', async () => {
      const address = await withCode(answering('1626ba7e'));
      const text = message({ address });
      expect(await signIn.signIn(text, '0x1234')).toMatchObject({ address });
    });

    test.each([
      ['says no', answering('ffffffff')],
      ['reverts', '0x60006000fd'],
      ['has no code', '0x'],
      ['answers nothing', '0x00'],
    ])('are refused when the contract %s', async (_, runtime) => {
      const text = message({ address: await withCode(runtime) });
      await expect(signIn.signIn(text, '0x1234')).rejects.toThrow('signature: is not one of');
    });

    test('are told to try again when the chain does not answer; keys need no chain', async () => {
      const gone = new JsonRpcProvider('http://127.0.0.1:1', anvil.chainId, { staticNetwork: true });
      const offline = new SignIn({ database, provider: gone, rules: () => rules, nonceSecret: 's', now: () => now });
      const contract = offline.message(Wallet.createRandom().address).replace(/0x[0-9a-fA-F]{40}/, wallet.address);
      await expect(offline.signIn(contract, '0x1234')).rejects.toBeInstanceOf(ChainUnavailableError);
      const text = offline.message(wallet.address);
      expect(await offline.signIn(text, await wallet.signMessage(text))).toMatchObject({ address: wallet.address });
      gone.destroy();
    });
  });
});
