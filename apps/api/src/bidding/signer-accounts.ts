import type { Logger } from '@cotrain/chain';
import type { SignerClient } from '../signer/signer-client.ts';

export interface SignerAccountsOptions {
  signer: Pick<SignerClient, 'accounts'>;
  logger: Logger;
  /** The signer answers again after it did not. */
  onReturn: () => void;
  /** Monotonic milliseconds. */
  now?: () => number;
}

/** For whom the signer signs, as far as is known. */
export interface KnownAccounts {
  /** Lower case. */
  addresses: ReadonlySet<string>;
  /** Whether it answered lately: otherwise there is no use in asking it for a signature. */
  isReachable: boolean;
}

/** Keys do not come and go while the signer runs, so it is not asked on every look. */
const freshMs = 10_000;
/** What a silent signer said last is believed so long: after that it may be another one with other keys. */
const keptMs = 3_600_000;

/**
 * Remembers whose keys the signer holds. What needs no signature, such as stopping a job whose award is gone, must go on
 * while the signer is down, and for that it must be known which pools are ours.
 */
export class SignerAccounts {
  private known: { addresses: ReadonlySet<string>; at: number } | null = null;
  private failure: unknown = null;
  private asking: Promise<void> | null = null;
  private readonly now: () => number;

  constructor(private readonly options: SignerAccountsOptions) {
    this.now = options.now ?? (() => performance.now());
  }

  /** Of a signer that is known to be down the answer is not waited for. @throws what `accounts` throws, if nothing is known */
  async read(): Promise<KnownAccounts> {
    if (this.age() > freshMs) {
      this.asking ??= this.ask().finally(() => {
        this.asking = null;
      });
      if (this.failure === null || this.age() > keptMs) await this.asking;
    }
    if (this.known === null || this.age() > keptMs) throw this.failure;
    return { addresses: this.known.addresses, isReachable: this.failure === null };
  }

  private age(): number {
    return this.known === null ? Infinity : this.now() - this.known.at;
  }

  private async ask(): Promise<void> {
    const { signer, logger, onReturn } = this.options;
    const wasDown = this.failure !== null;
    try {
      const addresses = await signer.accounts();
      this.known = { addresses: new Set(addresses.map((address) => address.toLowerCase())), at: this.now() };
      this.failure = null;
      if (wasDown) onReturn();
    } catch (error) {
      this.failure = error;
      if (!wasDown) logger.warn({ error: String(error) }, 'the signer does not answer; only what needs it has to wait');
    }
  }
}
