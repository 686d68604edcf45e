/** Base of this library's errors; `retryable` says whether the same call may succeed later. */
export abstract class ChainError extends Error {
  abstract readonly retryable: boolean;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The node cannot be reached or answers nonsense. */
export class ChainUnavailableError extends ChainError {
  readonly retryable = true;

  constructor(
    readonly operation: string,
    cause: unknown,
  ) {
    super(
      `The chain did not answer ${operation}: ${cause instanceof Error ? cause.message : String(cause)}. Check the RPC URL; it will be tried again.`,
      { cause },
    );
  }
}

/**
 * The contract refuses the call. `reason` is its custom error with arguments, or the node's words; `explanation` what that
 * means, where it is known.
 */
export class CallRevertedError extends ChainError {
  readonly retryable = false;

  constructor(
    readonly reason: string,
    readonly errorName: string | null,
    options?: ErrorOptions & { explanation?: string | null },
  ) {
    const { explanation } = options ?? {};
    super(`The contract refuses: ${explanation == null ? reason : `${explanation} [${reason}]`}`, options);
  }
}

/** A transaction was mined and failed. */
export class TransactionRevertedError extends ChainError {
  readonly retryable = false;

  constructor(
    readonly intentId: string,
    readonly transactionHash: string,
    readonly reason: string,
  ) {
    super(`Transaction ${transactionHash} (${intentId}) was mined and reverted: ${reason}`);
  }
}

/** An intent id stands for one transaction; this one stands for another already. */
export class IntentConflictError extends ChainError {
  readonly retryable = false;

  constructor(readonly intentId: string) {
    super(`Intent ${intentId} exists with other contents. An intent id names one transaction: use a new id.`);
  }
}

/** No such intent. */
export class UnknownIntentError extends ChainError {
  readonly retryable = false;

  constructor(readonly intentId: string) {
    super(`There is no intent ${intentId}.`);
  }
}

/** Another intent of the same sender has this nonce: another process sends from the account. Nothing was broadcast. */
export class NonceTakenError extends ChainError {
  readonly retryable = true;

  constructor(
    readonly sender: string,
    readonly nonce: number,
  ) {
    super(
      `Nonce ${String(nonce)} of ${sender} belongs to another intent. Does a second process send from this account?`,
    );
  }
}

/** The account cannot pay for value and gas. */
export class InsufficientFundsError extends ChainError {
  readonly retryable = true;

  constructor(
    readonly account: string,
    cause?: unknown,
  ) {
    super(`${account} cannot pay for the transaction's value and gas. Send ETH to it; it will be tried again.`, {
      cause,
    });
  }
}

/** Another process is the sender now. */
export class LeaseLostError extends ChainError {
  readonly retryable = true;

  constructor(readonly holder: string) {
    super(`${holder} does not hold the sender's lease any more; nothing was signed.`);
  }
}

/** A chain fork deeper than the headers that are kept. */
export class ReorganisationTooDeepError extends ChainError {
  readonly retryable = false;

  constructor(
    readonly fromBlock: number,
    readonly keptBlocks: number,
  ) {
    super(
      `The chain differs from block ${String(fromBlock)} on, and only ${String(keptBlocks)} blocks are kept. Is the RPC URL that of the same chain as before? If it is, stop the API, empty the chain-derived tables (docs/operating.md) and start it: they are rebuilt from the chain.`,
    );
  }
}

/** A deployment file that is missing or wrong. */
export class InvalidDeploymentError extends ChainError {
  readonly retryable = false;
}

/** The local chain did not start. */
export class AnvilStartError extends ChainError {
  readonly retryable = false;
}
