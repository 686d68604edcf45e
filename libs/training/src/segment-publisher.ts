import type { Reference } from '@cotrain/protocol';
import { writeCheckpoint } from './checkpoint.ts';
import type { LogFile } from './log-file.ts';
import { type ContentStore, type Patience, withPatience } from './store.ts';

/** Where a run is: what of the log belongs to it, and the state. */
export interface RunPosition {
  /** Steps done. */
  step: number;
  state: Uint8Array;
}

/** At most this share of the time goes into publishing the log so far. */
const logPublishingShare = 0.05;

export interface SegmentPublisherOptions {
  store: ContentStore;
  workdir: string;
  jobHeaderHash: `0x${string}`;
  log: LogFile;
  patience: Patience;
  /** Publish the log so far at most this often; 60 s unless given. */
  logEveryMs?: number;
  /** Monotonic milliseconds. */
  now: () => number;
  onLogPublished: (step: number, logReference: Reference) => void;
}

/**
 * Makes checkpoints and publishes segments' states beside the training of the next segment.
 *
 * A checkpoint at a segment's end may be on disk before its state is on Swarm; whoever continues there publishes the
 * state again. A later checkpoint waits for it, so that no published log names a state that was never uploaded.
 */
export class SegmentPublisher {
  readonly #options: SegmentPublisherOptions;
  #work: Promise<void> = Promise.resolve();
  #busy = false;
  #nextLogAtMs: number;

  constructor(options: SegmentPublisherOptions) {
    this.#options = options;
    this.#nextLogAtMs = options.now() + (options.logEveryMs ?? 60_000);
  }

  /** Begins to publish the state at a segment's end and to make a checkpoint there. @returns the state root */
  async segmentEnded(step: number, state: Uint8Array, append: (root: Reference) => Promise<void>): Promise<Reference> {
    await this.settled();
    const { reference, stored } = this.#options.store.startUpload(state);
    // Its failure is looked at below; until then it is nobody's.
    stored.catch(() => undefined);
    await append(reference);
    const position = this.#position({ step, state });
    this.#begin(this.#publish(position, stored));
    return reference;
  }

  /** Publishes again what a checkpoint at a segment's end may not have published. */
  republish(state: Uint8Array): void {
    this.#begin(this.#upload(state, this.#options.store.startUpload(state).stored));
  }

  /** Whether something begun is still under way, as it is while the store is away. */
  get busy(): boolean {
    return this.#busy;
  }

  /** A checkpoint within a segment, once what was begun is done. */
  async checkpoint(step: number, state: Uint8Array): Promise<void> {
    await this.settled();
    await this.#save(this.#position({ step, state }));
  }

  #begin(work: Promise<void>): void {
    this.#busy = true;
    this.#work = work.finally(() => {
      this.#busy = false;
    });
    // Whoever needs it to be done looks at its failure.
    this.#work.catch(() => undefined);
  }

  /** Waits until everything begun is done. @throws what went wrong with it */
  async settled(): Promise<void> {
    await this.#work;
  }

  #position({ step, state }: RunPosition): RunPosition & { logBytes: number; logDigest: Uint8Array } {
    const { log } = this.#options;
    return { step, state, logBytes: log.bytes, logDigest: log.digest() };
  }

  /** The log must be durable before a checkpoint that counts on it. */
  async #save(position: RunPosition & { logBytes: number; logDigest: Uint8Array }): Promise<void> {
    const { log, workdir, jobHeaderHash } = this.#options;
    await log.sync();
    await writeCheckpoint(workdir, { jobHeaderHash, ...position });
  }

  async #publish(
    position: RunPosition & { logBytes: number; logDigest: Uint8Array },
    stored: Promise<void>,
  ): Promise<void> {
    await this.#save(position);
    await this.#upload(position.state, stored);
    await this.#publishLog(position.step, position.logBytes);
  }

  async #upload(state: Uint8Array, stored: Promise<void>): Promise<void> {
    let first: Promise<void> | null = stored;
    await withPatience(async () => {
      const begun = first;
      first = null;
      if (begun !== null) await begun;
      else await this.#options.store.upload(state);
    }, this.#options.patience);
  }

  /** The log so far with the states it names is a checkpoint that outlives this machine's disk. */
  async #publishLog(step: number, logBytes: number): Promise<void> {
    const { store, log, patience, now, logEveryMs = 60_000, onLogPublished } = this.#options;
    const startedMs = now();
    if (startedMs < this.#nextLogAtMs) return;
    const reference = await withPatience(() => store.upload(log.read(logBytes)), patience);
    const finishedMs = now();
    this.#nextLogAtMs = finishedMs + Math.max(logEveryMs, (finishedMs - startedMs) / logPublishingShare);
    onLogPublished(step, reference);
  }
}
