import { Bee } from '@ethersphere/bee-js';
import type { Reference } from '@cotrain/protocol';
import { z } from 'zod';
import { BoundedTasks } from './bounded-tasks.ts';
import { ByteCache } from './byte-cache.ts';
import { FileTooLargeError, PostageMissingError, ReferenceMismatchError, StoreUnavailableError } from './errors.ts';
import { type RetryPolicy, StoreConnection } from './store-request.ts';
import { SwarmFile } from './swarm-file.ts';
import { GROUP_BYTES } from './tree-shape.ts';
import { type UploadPiece, UploadPlan } from './upload-plan.ts';
import { VerifiedReader } from './verified-reader.ts';

/** Settings of a client. */
export interface SwarmClientOptions {
  /** A Bee node or the embedded store. */
  url: string;
  /** Batch that pays for uploads; found by ensurePostage() if not given. */
  postageBatchId?: string;
  /** Per attempt; 30 s unless given. */
  timeoutMs?: number;
  /** Repetitions of a request that the store did not answer; 30 unless given, enough for a restart of a minute. */
  retries?: number;
  /** Verified data kept for later reads, shared by the files of this client; 64 MiB unless given. */
  cacheBytes?: number;
  fetch?: typeof fetch;
  sleep?: RetryPolicy['sleep'];
  random?: RetryPolicy['random'];
  /** Ends whatever the client is doing. */
  signal?: AbortSignal;
}

/** Data to upload: at hand, or arriving in pieces. */
export type UploadSource = Uint8Array | AsyncIterable<Uint8Array>;

const uploadAnswer = z.object({ reference: z.string().max(128) });
const PARALLEL_UPLOADS = 4;
/** A batch of a development store, which charges nothing: 2^24 chunks for a long time. */
const developmentBatch = { amount: '100000000000', depth: 24 };

/** Uploads to and downloads from Swarm, trusting only references: what comes back is verified, both ways. */
export class SwarmClient {
  readonly url: string;
  private readonly store: StoreConnection;
  private readonly bee: Bee;
  private readonly reader: VerifiedReader;
  private readonly cache: ByteCache;
  private postage: Promise<string> | undefined;

  constructor(private readonly options: SwarmClientOptions) {
    const { url, timeoutMs = 30_000, retries = 30, cacheBytes = 64 * 2 ** 20, fetch: fetchFn, sleep, random } = options;
    this.url = url;
    const policy = {
      retries,
      timeoutMs,
      ...(sleep === undefined ? {} : { sleep }),
      ...(random === undefined ? {} : { random }),
    };
    this.store = new StoreConnection(url, policy, fetchFn);
    this.bee = new Bee(url, { timeout: timeoutMs });
    this.reader = new VerifiedReader(this.store);
    this.cache = new ByteCache(cacheBytes);
  }

  /** Stores bytes and returns their reference, computed here and confirmed by the store. Memory stays flat. */
  async upload(data: UploadSource): Promise<Reference> {
    if (data instanceof Uint8Array) {
      const { reference, stored } = this.startUpload(data);
      await stored;
      return reference;
    }
    const batch = await this.ensurePostage();
    const plan = new UploadPlan();
    const posts = new BoundedTasks(PARALLEL_UPLOADS);
    for await (const group of groups(data)) {
      const piece = plan.group(group);
      await posts.run(() => this.post(piece, batch));
    }
    const { reference, parents } = plan.finish();
    for (const parent of parents) await posts.run(() => this.post(parent, batch));
    await posts.settled();
    return reference;
  }

  /**
   * Begins to store bytes, which must not change until `stored` resolves. The reference is known at once; nobody can
   * read it before.
   */
  startUpload(data: Uint8Array): { reference: Reference; stored: Promise<void> } {
    const plan = new UploadPlan();
    const pieces: UploadPiece[] = [];
    for (let start = 0; start === 0 || start < data.length; start += GROUP_BYTES)
      pieces.push(plan.group(data.subarray(start, start + GROUP_BYTES)));
    const { reference, parents } = plan.finish();
    return { reference, stored: this.postAll([...pieces, ...parents]) };
  }

  /** A whole file, at most `maxBytes` long. @throws FileTooLargeError before it is fetched */
  async download(reference: Reference, { maxBytes }: { maxBytes: number }): Promise<Uint8Array> {
    const file = await this.open(reference);
    if (file.length > maxBytes) throw new FileTooLargeError(reference, file.length, maxBytes);
    return file.read(0, file.length);
  }

  /** Opens a file for reading in any order; fetches its root only. */
  async open(reference: Reference): Promise<SwarmFile> {
    const { signal } = this.options;
    return new SwarmFile(await this.reader.node(reference, 0, undefined, signal), this.reader, this.cache, signal);
  }

  /** The batch that pays for uploads. A real node's batches are used, never bought; a development store's are free. */
  ensurePostage(): Promise<string> {
    if (this.options.postageBatchId !== undefined) return Promise.resolve(this.options.postageBatchId);
    this.postage ??= this.store
      .retry(() => this.askBee(() => this.findPostage()), this.options.signal)
      .catch((error: unknown) => {
        this.postage = undefined;
        throw error;
      });
    return this.postage;
  }

  /** Whether the store answers, and as what. Asked once, not repeated. @throws StoreUnavailableError */
  async health(): Promise<{ version: string; apiVersion: string }> {
    const { version, apiVersion } = await this.askBee(() => this.bee.getHealth());
    return { version, apiVersion };
  }

  private async findPostage(): Promise<string> {
    const batches = (await this.bee.getPostageBatches()).filter(({ usable }) => usable);
    const longest = batches.sort((a, b) => b.duration.toSeconds() - a.duration.toSeconds())[0];
    if (longest !== undefined) return longest.batchID.toHex();
    const { beeMode } = await this.bee.getNodeInfo();
    if (String(beeMode) !== 'dev') throw new PostageMissingError(this.url);
    const bought = await this.bee.createPostageBatch(developmentBatch.amount, developmentBatch.depth);
    return bought.toHex();
  }

  /** bee-js does not say which of its errors are the network's; whatever it could not do counts as that. */
  private async askBee<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (error instanceof PostageMissingError) throw error;
      throw new StoreUnavailableError(this.url, error instanceof Error ? `${error.message}.` : String(error), {
        cause: error,
      });
    }
  }

  private async postAll(pieces: UploadPiece[]): Promise<void> {
    const batch = await this.ensurePostage();
    const posts = new BoundedTasks(PARALLEL_UPLOADS);
    for (const piece of pieces) await posts.run(() => this.post(piece, batch));
    await posts.settled();
  }

  private async post({ path, body, reference: expected }: UploadPiece, batch: string): Promise<void> {
    const headers = { 'content-type': 'application/octet-stream', 'swarm-postage-batch-id': batch };
    const answer = await this.store.send({
      method: 'POST',
      path,
      headers,
      body,
      maxBytes: 4096,
      signal: this.options.signal,
    });
    let actual: string;
    try {
      actual = uploadAnswer.parse(JSON.parse(new TextDecoder().decode(answer))).reference;
    } catch (cause) {
      throw new StoreUnavailableError(this.url, 'it answered an upload with something other than a reference.', {
        cause,
      });
    }
    if (actual !== expected.slice(2)) throw new ReferenceMismatchError(expected, actual);
  }
}

/** Pieces of any size as groups of 128 chunks; the last may be shorter, and no data is one empty group. */
async function* groups(data: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let group = new Uint8Array(GROUP_BYTES);
  let filled = 0;
  let count = 0;
  for await (const piece of data) {
    for (let position = 0; position < piece.length;) {
      const take = Math.min(GROUP_BYTES - filled, piece.length - position);
      group.set(piece.subarray(position, position + take), filled);
      filled += take;
      position += take;
      if (filled < GROUP_BYTES) continue;
      yield group;
      count++;
      // The previous one may still be on its way to the store.
      group = new Uint8Array(GROUP_BYTES);
      filled = 0;
    }
  }
  if (filled > 0 || count === 0) yield group.subarray(0, filled);
}
