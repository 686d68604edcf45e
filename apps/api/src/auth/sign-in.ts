import { createHash, randomBytes } from 'node:crypto';
import type { Database } from '../database/database.ts';
import type { JsonRpcProvider } from 'ethers';
import { SiweMessage } from 'siwe';

/** Who is asking. */
export interface Identity {
  address: string;
}

/** The sign-in message or its signature is not acceptable. */
export class SignInRefusedError extends Error {
  override readonly name = 'SignInRefusedError';
  readonly retryable = false;
}

const nonceMinutes = 10;
const sessionHours = 12;
const maxMessageLength = 4_096;

/** Sign-in with Ethereum (ERC-4361): a nonce, a signed message, a bearer token that is stored as its hash only. */
export class SignIn {
  constructor(
    private readonly options: {
      database: Database;
      chainId: number;
      domain: string;
      provider: JsonRpcProvider;
      now?: () => Date;
    },
  ) {}

  async nonce(): Promise<string> {
    const nonce = randomBytes(16).toString('hex');
    const now = this.now();
    const { prisma } = this.options.database;
    await prisma.signInNonce.deleteMany({ where: { expiresAt: { lt: now } } });
    await prisma.signInNonce.create({ data: { nonce, expiresAt: new Date(now.getTime() + nonceMinutes * 60_000) } });
    return nonce;
  }

  /** @throws SignInRefusedError saying what is wrong */
  async signIn(message: string, signature: string): Promise<{ token: string; address: string; expiresAt: Date }> {
    const siwe = this.parse(message);
    const now = this.now();
    const { prisma } = this.options.database;
    // Taken out before anything else is checked: a message is good for one try.
    const { count } = await prisma.signInNonce.deleteMany({ where: { nonce: siwe.nonce, expiresAt: { gt: now } } });
    if (count !== 1) throw new SignInRefusedError('nonce is unknown, used or expired: ask for a new one.');
    if (siwe.chainId !== this.options.chainId)
      throw new SignInRefusedError(
        `chainId is ${String(siwe.chainId)}: sign for chain ${String(this.options.chainId)}.`,
      );
    const { success, error } = await siwe.verify(
      { signature, domain: this.options.domain, nonce: siwe.nonce, time: now.toISOString() },
      { provider: this.options.provider, suppressExceptions: true },
    );
    if (!success) throw new SignInRefusedError(`the message is refused: ${error?.type ?? 'wrong signature'}`);
    const token = randomBytes(32).toString('base64url');
    const expiresAt = new Date(now.getTime() + sessionHours * 3_600_000);
    await prisma.session.create({
      data: { tokenHash: hashToken(token), address: siwe.address, chainId: siwe.chainId, expiresAt },
    });
    return { token, address: siwe.address, expiresAt };
  }

  /** Whose token this is, or null. */
  async identify(authorization: string | undefined): Promise<Identity | null> {
    const token = /^Bearer ([A-Za-z0-9_-]{43})$/.exec(authorization ?? '')?.[1];
    if (token === undefined) return null;
    const session = await this.options.database.prisma.session.findUnique({ where: { tokenHash: hashToken(token) } });
    return session !== null && session.expiresAt > this.now() ? { address: session.address } : null;
  }

  private parse(message: string): SiweMessage {
    if (message.length > maxMessageLength)
      throw new SignInRefusedError(
        `message has ${String(message.length)} characters; at most ${String(maxMessageLength)} are read.`,
      );
    try {
      return new SiweMessage(message);
    } catch (cause) {
      throw new SignInRefusedError('message is no Sign-In with Ethereum message (ERC-4361).', { cause });
    }
  }

  private now(): Date {
    return this.options.now?.() ?? new Date();
  }
}

function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
