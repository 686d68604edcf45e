import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

const minuteMs = 60_000;
export const nonceLifetimeMs = 10 * minuteMs;

/**
 * Sign-in nonces that nobody has to store: time, randomness and a keyed hash of both. Asking for nonces therefore
 * costs no space, however often it is done; only a nonce that was used is remembered, until it expires by itself.
 */
export class Nonces {
  private readonly key: Buffer;

  /** @param secret known to every replica and to nobody else */
  constructor(
    secret: string,
    private readonly now: () => Date,
  ) {
    this.key = Buffer.from(hkdfSync('sha256', secret, '', 'cotrain.sign-in-nonce/1', 32));
  }

  create(): string {
    const body = Buffer.alloc(24);
    body.writeBigUInt64BE(BigInt(this.now().getTime()));
    randomBytes(16).copy(body, 8);
    return Buffer.concat([body, this.mac(body)]).toString('hex');
  }

  /** When the nonce ends to be good, or null when it is not ours or has expired. */
  expiryOf(nonce: string): Date | null {
    if (!/^[0-9a-f]{80}$/.test(nonce)) return null;
    const bytes = Buffer.from(nonce, 'hex');
    const body = bytes.subarray(0, 24);
    if (!timingSafeEqual(bytes.subarray(24), this.mac(body))) return null;
    const expiresAt = Number(body.readBigUInt64BE()) + nonceLifetimeMs;
    return expiresAt > this.now().getTime() ? new Date(expiresAt) : null;
  }

  private mac(body: Buffer): Buffer {
    return createHmac('sha256', this.key).update(body).digest().subarray(0, 16);
  }
}
