import { setTimeout as delay } from 'node:timers/promises';
import type { Reference } from '@cotrain/protocol';

/** A file that is read piece by piece; every byte is verified. */
export interface StoredFile {
  readonly length: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** What the trainer needs of Swarm; SwarmClient is one. */
export interface ContentStore {
  upload(data: Uint8Array | AsyncIterable<Uint8Array>): Promise<Reference>;
  /** Begins an upload; the reference is known at once, and `stored` fails as `upload` does. */
  startUpload(data: Uint8Array): { reference: Reference; stored: Promise<void> };
  download(reference: Reference, options: { maxBytes: number }): Promise<Uint8Array>;
  open(reference: Reference): Promise<StoredFile>;
}

/** How long an unavailable store is waited for, beyond what the client itself repeats. */
export interface Patience {
  /** 10 minutes unless given. */
  storePatienceMs?: number;
  signal?: AbortSignal;
  /** Monotonic milliseconds. */
  now?: () => number;
  sleep?: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  onRetry?: (error: Error) => void;
}

/** Whether an error's own account of itself says that asking again can help. */
export function isRetryable(error: unknown): boolean {
  return error instanceof Error && (error as { retryable?: unknown }).retryable === true;
}

/** Waits as the patience's clock does. */
export async function pause(milliseconds: number, { sleep = realSleep, signal }: Patience): Promise<void> {
  await sleep(milliseconds, signal);
}

async function realSleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, signal === undefined ? {} : { signal });
}

/** Repeats an action while the store is away. What is missing or broken is not waited for. */
export async function withPatience<T>(action: () => Promise<T>, patience: Patience = {}): Promise<T> {
  const { storePatienceMs = 600_000, now = () => performance.now(), signal, onRetry } = patience;
  const deadline = now() + storePatienceMs;
  for (let waitMs = 250; ; waitMs = Math.min(waitMs * 2, 5_000)) {
    try {
      return await action();
    } catch (error) {
      const away = error instanceof Error && isRetryable(error) && error.name === 'StoreUnavailableError';
      if (!away || now() + waitMs > deadline || signal?.aborted === true) throw error;
      onRetry?.(error);
      await pause(waitMs, patience);
    }
  }
}
