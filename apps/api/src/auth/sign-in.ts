import { createHash, randomBytes } from 'node:crypto';
import type { Provider } from 'ethers';
import type { Database } from '../database/database.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { Nonces } from './nonces.ts';
import { readSignInMessage, SignInRefusedError, type SignInRules, writeSignInMessage } from './sign-in-message.ts';
import { isSignedBy } from './signature.ts';

/** Who is asking, by which session. */
export interface Identity {
  address: string;
  expiresAt: Date;
  tokenHash: string;
}

const sessionHours = 12;
/** Older sessions of one address are ended when it signs in more often. */
const maxSessionsOfAddress = 20;

export interface SignInOptions {
  database: Database;
  provider: Pick<Provider, 'call'>;
  /** What messages must say; asked each time, as the API's own port is known only once it listens. */
  rules: () => SignInRules;
  /** Shared by all replicas: a nonce of one is good at every other. */
  nonceSecret: string;
  now?: () => Date;
}

/** Sign-in with Ethereum (EIP-4361): a nonce, a signed message, a bearer token that is stored as its hash only. */
export class SignIn {
  private readonly nonces: Nonces;

  constructor(private readonly options: SignInOptions) {
    this.nonces = new Nonces(options.nonceSecret, () => this.now());
  }

  nonce(): string {
    return this.nonces.create();
  }

  /** A whole message for the address, ready to be signed. */
  message(address: string): string {
    return writeSignInMessage(address, this.nonce(), this.options.rules(), this.now());
  }

  /**
   * Starts a session; the message is good for one.
   * @throws SignInRefusedError saying what is wrong; ChainUnavailableError when a contract wallet cannot be asked
   */
  async signIn(text: string, signature: string): Promise<{ token: string; address: string; expiresAt: Date }> {
    const now = this.now();
    const message = readSignInMessage(text, this.options.rules(), now);
    const nonceExpiresAt = this.nonces.expiryOf(message.nonce);
    if (nonceExpiresAt === null)
      throw new SignInRefusedError('nonce', 'is not from this API or has expired. Ask for a new one.');
    if (!(await isSignedBy(message.address, text, signature, this.options.provider)))
      throw new SignInRefusedError('signature', `is not one of ${message.address} for this message.`);

    const token = randomBytes(32).toString('base64url');
    const expiresAt = new Date(now.getTime() + sessionHours * 3_600_000);
    const { address, chainId, nonce } = message;
    await this.options.database.prisma.$transaction(async (tx) => {
      await tx.signInNonce.deleteMany({ where: { expiresAt: { lt: now } } });
      await tx.session.deleteMany({ where: { expiresAt: { lt: now } } });
      await useOnce(tx, nonce, nonceExpiresAt);
      await tx.session.create({ data: { tokenHash: hashToken(token), address, chainId, expiresAt } });
      const older = await tx.session.findMany({
        where: { address },
        orderBy: { expiresAt: 'desc' },
        skip: maxSessionsOfAddress,
        select: { tokenHash: true },
      });
      await tx.session.deleteMany({ where: { tokenHash: { in: older.map(({ tokenHash }) => tokenHash) } } });
    });
    return { token, address, expiresAt };
  }

  /** Ends one session, or all of the address. */
  async signOut(identity: Identity, everywhere: boolean): Promise<void> {
    await this.options.database.prisma.session.deleteMany({
      where: everywhere ? { address: identity.address } : { tokenHash: identity.tokenHash },
    });
  }

  /** Whose token the header carries, or null when it carries none that is good. */
  async identify(authorization: string | undefined): Promise<Identity | null> {
    const token = /^Bearer ([A-Za-z0-9_-]{43})$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) return null;
    const tokenHash = hashToken(token);
    const session = await this.options.database.prisma.session.findUnique({ where: { tokenHash } });
    if (session === null || session.expiresAt <= this.now()) return null;
    return { address: session.address, expiresAt: session.expiresAt, tokenHash };
  }

  private now(): Date {
    return this.options.now?.() ?? new Date();
  }
}

/** The table's key decides between two that use a nonce at the same time. */
async function useOnce(tx: Prisma.TransactionClient, nonce: string, expiresAt: Date): Promise<void> {
  const { count } = await tx.signInNonce.createMany({ data: [{ nonce, expiresAt }], skipDuplicates: true });
  if (count !== 1) throw new SignInRefusedError('nonce', 'was used already. Ask for a new one.');
}

function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
