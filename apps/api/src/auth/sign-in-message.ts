import { SiweMessage } from 'siwe';

/** The sign-in message or its signature is not acceptable. */
export class SignInRefusedError extends Error {
  override readonly name = 'SignInRefusedError';
  readonly retryable = false;

  constructor(
    readonly field: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${field}: ${problem}`, options);
  }
}

/** What a message must say to be accepted here. */
export interface SignInRules {
  chainId: number;
  /** Origins such as `https://app.example.org`: the message's domain must be the host of one, its URI must be on it. */
  origins: readonly string[];
}

const maxMessageLength = 4_096;
const clockSkewMs = 60_000;
const maxAgeMs = 10 * 60_000;

/**
 * Reads an EIP-4361 message and checks everything in it but nonce and signature.
 * @throws SignInRefusedError naming the field and what is expected
 */
export function readSignInMessage(text: string, rules: SignInRules, now: Date): SiweMessage {
  const message = parse(text);
  const origin = rules.origins.find((candidate) => new URL(candidate).host === message.domain);
  if (origin === undefined)
    throw new SignInRefusedError(
      'domain',
      `is ${message.domain}; this API takes sign-ins for ${rules.origins.map((each) => new URL(each).host).join(', ')}. If another site asked you to sign this, it wanted your session.`,
    );
  if (originOf(message.uri) !== origin)
    throw new SignInRefusedError('uri', `is ${message.uri}; it must lie under ${origin}.`);
  if (message.chainId !== rules.chainId)
    throw new SignInRefusedError('chainId', `is ${String(message.chainId)}; sign for chain ${String(rules.chainId)}.`);
  const issuedAt = time(message.issuedAt, 'issuedAt');
  if (issuedAt === null) throw new SignInRefusedError('issuedAt', 'is missing; say when the message was made.');
  if (issuedAt > now.getTime() + clockSkewMs)
    throw new SignInRefusedError('issuedAt', `is ${String(message.issuedAt)}, in the future. Check your clock.`);
  if (issuedAt < now.getTime() - maxAgeMs)
    throw new SignInRefusedError('issuedAt', `is ${String(message.issuedAt)}, too long ago. Sign a new message.`);
  const expiresAt = time(message.expirationTime, 'expirationTime');
  if (expiresAt !== null && expiresAt <= now.getTime())
    throw new SignInRefusedError('expirationTime', `was ${String(message.expirationTime)}. Sign a new message.`);
  const notBefore = time(message.notBefore, 'notBefore');
  if (notBefore !== null && notBefore > now.getTime())
    throw new SignInRefusedError('notBefore', `is ${String(message.notBefore)}; come back then.`);
  return message;
}

/** The text to sign for an address, made from the same rules that it is read by. */
export function writeSignInMessage(address: string, nonce: string, rules: SignInRules, now: Date): string {
  const origin = rules.origins[0];
  if (origin === undefined) throw new Error('There is no origin to sign in for.');
  return new SiweMessage({
    domain: new URL(origin).host,
    address,
    statement: 'Sign in to Cotrain',
    uri: origin,
    version: '1',
    chainId: rules.chainId,
    nonce,
    issuedAt: now.toISOString(),
    expirationTime: new Date(now.getTime() + maxAgeMs).toISOString(),
  }).prepareMessage();
}

function parse(text: string): SiweMessage {
  if (text.length > maxMessageLength)
    throw new SignInRefusedError(
      'message',
      `has ${String(text.length)} characters; at most ${String(maxMessageLength)} are read.`,
    );
  try {
    return new SiweMessage(text);
  } catch (cause) {
    throw new SignInRefusedError(
      'message',
      'is no Sign-In with Ethereum message (EIP-4361). Ask for one with signInMessage.',
      { cause },
    );
  }
}

function originOf(uri: string): string | null {
  try {
    return new URL(uri).origin;
  } catch {
    return null; // no URL at all has no origin, so it lies under none
  }
}

function time(value: string | undefined, field: string): number | null {
  if (value === undefined) return null;
  const milliseconds = Date.parse(value);
  if (Number.isNaN(milliseconds)) throw new SignInRefusedError(field, `is ${value}, which is no ISO 8601 time.`);
  return milliseconds;
}
