import { z } from 'zod';
import { type IntentAnswer, intentAnswerSchema, type IntentRequest } from './protocol.ts';

/** The signer cannot be reached. */
export class SignerUnavailableError extends Error {
  override readonly name = 'SignerUnavailableError';
  readonly retryable = true;
}

/** The signer refuses: by its policy, or because the contract would. */
export class SignerRefusedError extends Error {
  override readonly name = 'SignerRefusedError';
  readonly retryable = false;
}

/** How the API asks for signatures; it holds no key itself. */
export class SignerClient {
  constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly timeoutMs = 15_000,
  ) {}

  /** Submits an intent; the same id again is the same intent. @throws SignerRefusedError, SignerUnavailableError */
  submit(request: IntentRequest): Promise<IntentAnswer> {
    return this.call('POST', '/intents', request, intentAnswerSchema);
  }

  async intent(intentId: string): Promise<IntentAnswer> {
    return this.call('GET', `/intents/${encodeURIComponent(intentId)}`, undefined, intentAnswerSchema);
  }

  async salt(account: string, context: string): Promise<`0x${string}`> {
    const { salt } = await this.call(
      'POST',
      '/salts',
      { account, context },
      z.object({ salt: z.string().regex(/^0x[0-9a-f]{64}$/) }),
    );
    return salt as `0x${string}`;
  }

  async accounts(): Promise<string[]> {
    return (await this.call('GET', '/accounts', undefined, z.object({ accounts: z.array(z.string()).max(1_000) })))
      .accounts;
  }

  private async call<T>(method: string, path: string, body: unknown, schema: z.ZodType<T>): Promise<T> {
    let response: Response;
    try {
      response = await fetch(`${this.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(this.timeoutMs),
      });
    } catch (cause) {
      throw new SignerUnavailableError(`The signer at ${this.url} does not answer. Is it running?`, { cause });
    }
    const answer: unknown = await response.json().catch(() => null);
    if (response.ok) return schema.parse(answer);
    const message =
      z.object({ error: z.string() }).safeParse(answer).data?.error ?? `status ${String(response.status)}`;
    if (response.status === 409 || response.status === 403 || response.status === 422)
      throw new SignerRefusedError(message);
    throw new SignerUnavailableError(`The signer cannot do it now: ${message}`);
  }
}
