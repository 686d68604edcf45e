import type { Reference } from '@cotrain/protocol';

/** Base of everything this library throws on purpose. `retryable` says whether the same call may succeed later. */
export abstract class SwarmError extends Error {
  abstract readonly retryable: boolean;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The store did not answer, answered too late, or said that it is overloaded. */
export class StoreUnavailableError extends SwarmError {
  readonly retryable = true;
  constructor(
    readonly url: string,
    reason: string,
    options?: ErrorOptions,
    /** What the store answered; undefined if it did not. */
    readonly status?: number,
  ) {
    super(`The Swarm store at ${url} is unavailable: ${reason} Check that it runs and that this is its URL.`, options);
  }
}

/** The store refused a request that will not get better by repeating it. */
export class StoreRefusedError extends SwarmError {
  readonly retryable = false;
  constructor(
    readonly request: string,
    readonly status: number,
    readonly reason: string,
  ) {
    super(`The Swarm store refused ${request} with status ${String(status)}: ${reason}`);
  }
}

/** The store sends more than what was asked for can have. Reading stopped there. */
export class OversizedAnswerError extends SwarmError {
  readonly retryable = true;
  constructor(
    readonly request: string,
    readonly maxBytes: number,
  ) {
    super(`The Swarm store answered ${request} with more than ${String(maxBytes)} bytes: it is damaged or dishonest.`);
  }
}

/** Nothing is stored under a reference. It may still arrive, so asking again later can help. */
export class NotFoundError extends SwarmError {
  readonly retryable = true;
  constructor(readonly reference: Reference) {
    super(`Nothing is stored under ${reference}. Check the reference, or wait until its upload is done.`);
  }
}

/** The store keeps returning bytes that do not hash to the reference asked for. */
export class CorruptChunkError extends SwarmError {
  readonly retryable = true;
  /** @param offset where the chunk's data begins in the file that is read */
  constructor(
    readonly reference: Reference,
    readonly offset: number,
    readonly attempts: number,
  ) {
    super(
      `The chunk ${reference} at byte ${String(offset)} does not match its reference after ${String(attempts)} attempts: ` +
        'the store is damaged or dishonest. Repair it or read from another one.',
    );
  }
}

/** A reference of well-hashed chunks that do not form a file: spans and lengths contradict each other. */
export class MalformedFileError extends SwarmError {
  readonly retryable = false;
  constructor(
    readonly reference: Reference,
    readonly offset: number,
    reason: string,
  ) {
    super(
      `${reference} is no plain file: at byte ${String(offset)}, ${reason} (encrypted and erasure-coded files are not supported).`,
    );
  }
}

/** A file longer than the caller accepts. */
export class FileTooLargeError extends SwarmError {
  readonly retryable = false;
  constructor(
    readonly reference: Reference,
    readonly bytes: number,
    readonly maxBytes: number,
  ) {
    super(`${reference} has ${String(bytes)} bytes; at most ${String(maxBytes)} are accepted here.`);
  }
}

/** The store answered an upload with another reference than its bytes have. */
export class ReferenceMismatchError extends SwarmError {
  readonly retryable = true;
  constructor(
    readonly expected: Reference,
    readonly actual: string,
  ) {
    super(`The store answered an upload with ${actual.slice(0, 80)}, but the bytes have the reference ${expected}.`);
  }
}

/** No postage batch is set or usable, and buying one would spend money. */
export class PostageMissingError extends SwarmError {
  readonly retryable = false;
  constructor(readonly url: string) {
    super(
      `The node at ${url} has no usable postage batch: buy one and set postageBatchId. None is bought on its own outside development stores.`,
    );
  }
}

/** A request for bytes that the file does not have. */
export class OutOfFileError extends SwarmError {
  readonly retryable = false;
  constructor(
    readonly reference: Reference,
    readonly offset: number,
    readonly length: number,
    readonly fileLength: number,
  ) {
    super(
      `Cannot read ${String(length)} bytes at ${String(offset)} of ${reference}: it has ${String(fileLength)} bytes.`,
    );
  }
}
