import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { HttpError } from './http-error.ts';

/** Wei-like units of BZZ per chunk and block that the store pretends to charge. */
export const PRICE_PER_BLOCK = 24_000n;
const SECONDS_PER_BLOCK = 5n;
const BUCKET_DEPTH = 16;
const MAX_DEPTH = 41;
/** Batches cost nothing here, so their number is bounded: each one bought rewrites the file. */
const MAX_BATCHES = 4_096;

const stampSchema = z.strictObject({
  batchID: z.string().regex(/^[0-9a-f]{64}$/),
  amount: z.string().regex(/^[0-9]{1,40}$/),
  depth: z.int().min(17).max(MAX_DEPTH),
  label: z.string().max(200),
  immutableFlag: z.boolean(),
});
type Stamp = z.infer<typeof stampSchema>;

/**
 * Postage batches that cost nothing. They keep the protocol of a real node: an upload names a batch that was
 * bought, and a batch has an amount and a depth that can grow. Capacity is not counted: utilization stays 0.
 */
export class Stamps {
  private readonly stamps = new Map<string, Stamp>();

  constructor(private readonly file: string) {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    for (const stamp of z.array(stampSchema).parse(JSON.parse(text))) this.stamps.set(stamp.batchID, stamp);
  }

  list(): Record<string, unknown>[] {
    return [...this.stamps.values()].map(present);
  }

  get(batchId: string): Record<string, unknown> {
    return present(this.require(batchId));
  }

  buckets(batchId: string): Record<string, unknown> {
    const { depth } = this.require(batchId);
    return { depth, bucketDepth: BUCKET_DEPTH, bucketUpperBound: 2 ** (depth - BUCKET_DEPTH), buckets: [] };
  }

  buy(amount: string, depth: string, label: string, immutableFlag: boolean): { batchID: string; txHash: string } {
    if (this.stamps.size >= MAX_BATCHES)
      throw new HttpError(403, `this store has ${String(MAX_BATCHES)} batches already: use one of them`);
    const stamp = this.check({
      batchID: randomBytes(32).toString('hex'),
      amount,
      depth: Number(depth),
      label,
      immutableFlag,
    });
    return this.save(stamp);
  }

  topUp(batchId: string, amount: string): { batchID: string; txHash: string } {
    const stamp = this.require(batchId);
    return this.save(this.check({ ...stamp, amount: String(BigInt(stamp.amount) + BigInt(amount)) }));
  }

  /** A batch that is twice as deep lasts half as long. */
  dilute(batchId: string, depth: string): { batchID: string; txHash: string } {
    const stamp = this.require(batchId);
    const deeper = Number(depth) - stamp.depth;
    if (deeper <= 0) throw new HttpError(400, 'the new depth must be larger');
    const amount = BigInt(stamp.amount) >> BigInt(Math.min(deeper, MAX_DEPTH));
    return this.save(this.check({ ...stamp, amount: String(amount), depth: Number(depth) }));
  }

  /** Refuses an upload as Bee does: 400 without a well-formed batch id, 404 for an unknown one. */
  authorize(header: string | string[] | undefined): void {
    if (typeof header !== 'string' || !/^[0-9a-fA-F]{64}$/.test(header))
      throw new HttpError(400, 'invalid header params: swarm-postage-batch-id');
    this.require(header.toLowerCase());
  }

  private require(batchId: string): Stamp {
    const stamp = this.stamps.get(batchId);
    if (stamp === undefined) throw new HttpError(404, 'batch with id not found');
    return stamp;
  }

  private check(stamp: Stamp): Stamp {
    const result = stampSchema.safeParse(stamp);
    if (!result.success) throw new HttpError(400, `invalid batch: ${result.error.issues[0]?.path.join('.') ?? ''}`);
    return result.data;
  }

  private save(stamp: Stamp): { batchID: string; txHash: string } {
    this.stamps.set(stamp.batchID, stamp);
    mkdirSync(dirname(this.file), { recursive: true });
    writeFileSync(`${this.file}.new`, JSON.stringify([...this.stamps.values()]));
    renameSync(`${this.file}.new`, this.file);
    return { batchID: stamp.batchID, txHash: `0x${'0'.repeat(64)}` };
  }
}

function present(stamp: Stamp): Record<string, unknown> {
  const batchTTL = (BigInt(stamp.amount) / PRICE_PER_BLOCK) * SECONDS_PER_BLOCK;
  return {
    ...stamp,
    bucketDepth: BUCKET_DEPTH,
    blockNumber: 1,
    exists: true,
    usable: true,
    utilization: 0,
    batchTTL: Number(batchTTL < 10n ** 12n ? batchTTL : 10n ** 12n),
  };
}
