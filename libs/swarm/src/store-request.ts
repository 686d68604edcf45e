import { setTimeout as sleepFor } from 'node:timers/promises';
import type { Reference } from '@cotrain/protocol';
import { NotFoundError, OversizedAnswerError, StoreRefusedError, StoreUnavailableError, SwarmError } from './errors.ts';

/** How requests are repeated; the clock and the dice can be replaced in tests. */
export interface RetryPolicy {
  /** Repetitions after the first attempt. */
  retries: number;
  timeoutMs: number;
  sleep?: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  random?: () => number;
}

/** One request to a store. */
export interface StoreRequest {
  method: 'GET' | 'POST';
  /** Begins with a slash. */
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
  /** The answer's body is refused beyond this. */
  maxBytes: number;
  /** What a 404 is about. */
  reference?: Reference;
  signal?: AbortSignal | undefined;
  /** The caller has another way when the store answers with a server error, so that is not repeated. */
  hasFallback?: boolean;
}

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
const retryableStatus = new Set([408, 425, 429]);
const MAX_ERROR_BYTES = 4096;

/** Speaks HTTP to one store: bounded bodies, a timeout per attempt, and retries with jittered backoff. */
export class StoreConnection {
  readonly url: string;

  constructor(
    url: string,
    private readonly policy: RetryPolicy,
    private readonly fetchFn: typeof fetch = fetch,
  ) {
    this.url = url.replace(/\/+$/, '');
  }

  /** Sends a request until it is answered. @throws StoreUnavailableError, NotFoundError, StoreRefusedError */
  send(request: StoreRequest): Promise<Uint8Array> {
    return this.retry(() => this.attempt(request), request.signal, request.hasFallback);
  }

  /** Repeats what fails because the store does; anything else passes through. */
  async retry<T>(action: () => Promise<T>, signal?: AbortSignal, hasFallback = false): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      try {
        return await action();
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof StoreUnavailableError) || attempt >= this.policy.retries) throw error;
        if (hasFallback && error.status !== undefined) throw error;
        await this.pause(attempt, signal);
      }
    }
  }

  /** Waits before the next attempt: doubling, capped, and jittered so that many clients do not return at once. */
  async pause(attempt: number, signal?: AbortSignal): Promise<void> {
    const { sleep = defaultSleep, random = Math.random } = this.policy;
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
    await sleep(delay * (0.5 + random() / 2), signal);
  }

  private async attempt(request: StoreRequest): Promise<Uint8Array> {
    const { method, path, headers, body, maxBytes, signal } = request;
    const timeout = AbortSignal.timeout(this.policy.timeoutMs);
    try {
      const response = await this.fetchFn(`${this.url}${path}`, {
        method,
        ...(headers === undefined ? {} : { headers }),
        ...(body === undefined ? {} : { body }),
        redirect: 'error',
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      if (!response.ok) throw await this.refusal(request, response);
      return await readBounded(response, maxBytes, `${method} ${path}`);
    } catch (error) {
      if (error instanceof SwarmError || signal?.aborted === true) throw error;
      const reason = timeout.aborted ? `no answer within ${String(this.policy.timeoutMs)} ms.` : `${describe(error)}.`;
      throw new StoreUnavailableError(this.url, reason, { cause: error });
    }
  }

  private async refusal(request: StoreRequest, response: Response): Promise<SwarmError> {
    const text = new TextDecoder().decode(await readBounded(response, MAX_ERROR_BYTES, 'the error')).slice(0, 500);
    if (response.status === 404 && request.reference !== undefined) return new NotFoundError(request.reference);
    if (response.status >= 500 || retryableStatus.has(response.status)) {
      return new StoreUnavailableError(
        this.url,
        `it answered ${String(response.status)} ${text}.`,
        {},
        response.status,
      );
    }
    return new StoreRefusedError(`${request.method} ${request.path}`, response.status, text);
  }
}

async function readBounded(response: Response, maxBytes: number, request: string): Promise<Uint8Array> {
  const announced = response.headers.get('content-length');
  if (announced !== null && Number(announced) > maxBytes) {
    await response.body?.cancel();
    throw new OversizedAnswerError(request, maxBytes);
  }
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    // Leaving the loop cancels the body.
    if (length > maxBytes) throw new OversizedAnswerError(request, maxBytes);
    pieces.push(piece);
  }
  return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces, length);
}

/** fetch says "fetch failed" and hides the reason in its cause. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

async function defaultSleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await sleepFor(milliseconds, undefined, signal === undefined ? {} : { signal });
}
