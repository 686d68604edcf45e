import type { Hex } from '@cotrain/protocol';

/** A call that is to be sent exactly once. Two intents with one id are one intent. */
export interface Intent {
  intentId: string;
  to: Hex;
  data: Hex;
  valueWei: bigint;
  /** Without it the node estimates. */
  gasLimit?: bigint;
}

/**
 * `stored`: known, nothing signed. `signed`: nonce and at least one signed transaction are stored; it may have been sent.
 * `mined`: in a block, not deep enough. `confirmed` and `reverted`: mined and deep enough. `refused`: never signed,
 * because the contract would refuse it.
 */
export type IntentStatus = 'stored' | 'signed' | 'mined' | 'confirmed' | 'reverted' | 'refused';

/** A signed transaction for an intent; a later one replaces an earlier one at the same nonce with a higher fee. */
export interface SignedAttempt {
  hash: Hex;
  rawTransaction: Hex;
  maxFeePerGasWei: bigint;
  maxPriorityFeePerGasWei: bigint;
  signedAt: number;
}

/** What is stored of an intent. */
export interface IntentRecord extends Intent {
  sender: Hex;
  status: IntentStatus;
  nonce: number | null;
  attempts: SignedAttempt[];
  minedHash: Hex | null;
  minedBlock: number | null;
  gasUsed: bigint | null;
  /** Why it was refused or reverted. */
  failure: string | null;
}

/** Statuses that can still change. */
export const openStatuses: readonly IntentStatus[] = ['stored', 'signed', 'mined'];

/** What may change of a stored intent. */
export type IntentChanges = Partial<Omit<IntentRecord, 'intentId' | 'sender'>>;

/** Keeps intents. A method has written durably when it resolves. */
export interface IntentStore {
  /** Stores a new intent, or returns the one that is there. */
  insertIfAbsent(record: IntentRecord): Promise<IntentRecord>;
  get(intentId: string): Promise<IntentRecord | null>;
  /** Intents of a sender in these statuses, by nonce, then in the order of insertion. */
  list(sender: Hex, statuses: readonly IntentStatus[]): Promise<IntentRecord[]>;
  /** @throws UnknownIntentError; NonceTakenError: no two intents of a sender ever have one nonce */
  update(intentId: string, changes: IntentChanges): Promise<IntentRecord>;
  /** The nonces of a sender's intents from `first` on, whatever their status; lowest first. */
  noncesFrom(sender: Hex, first: number): Promise<number[]>;
}

/** Fences the one sender of a wallet: asked before each signature. @throws LeaseLostError */
export interface LeaseGuard {
  assertHeld(): Promise<void>;
}

/** Same call, whoever asks again? */
export function sameIntent(a: Intent, b: Intent): boolean {
  return a.to.toLowerCase() === b.to.toLowerCase() && a.data === b.data && a.valueWei === b.valueWei;
}
