import { z } from 'zod';
import {
  batchAnswerSchema,
  type IntentAnswer,
  intentAnswerSchema,
  type IntentOutcome,
  type IntentRequest,
  maxIntentsAtOnce,
} from './protocol.ts';

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

const refusals = new Set([400, 401, 403, 409, 413, 422]);

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

  /**
   * Submits many intents at once; outcomes are in their order, so that one that is refused does not keep the others.
   * @throws SignerUnavailableError when the signer does not answer: all may be submitted again
   */
  async submitMany(requests: readonly IntentRequest[]): Promise<IntentOutcome[]> {
    const outcomes: IntentOutcome[] = [];
    for (let start = 0; start < requests.length; start += maxIntentsAtOnce) {
      const intents = requests.slice(start, start + maxIntentsAtOnce);
      const answer = await this.call('POST', '/intents/batch', { intents }, batchAnswerSchema);
      if (answer.outcomes.length !== intents.length)
        throw new SignerUnavailableError('The signer answered with another number of outcomes than intents.');
      outcomes.push(...answer.outcomes);
    }
    return outcomes;
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
    let answer: unknown;
    try {
      response = await fetch(`${this.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(this.timeoutMs),
      });
      answer = await response.json();
    } catch (cause) {
      throw new SignerUnavailableError(`The signer at ${this.url} does not answer. Is it running?`, { cause });
    }
    if (response.ok) return this.understand(answer, schema);
    const message =
      z.object({ error: z.string() }).safeParse(answer).data?.error ?? `status ${String(response.status)}`;
    if (refusals.has(response.status)) throw new SignerRefusedError(message);
    throw new SignerUnavailableError(`The signer cannot do it now: ${message}`);
  }

  private understand<T>(answer: unknown, schema: z.ZodType<T>): T {
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    throw new SignerUnavailableError(`What answers at ${this.url} is no signer: ${parsed.error.message}`);
  }
}
