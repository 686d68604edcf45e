import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Bee, MerkleTree } from '@ethersphere/bee-js';
import { GROUP_BYTES, referenceOf, SwarmClient } from '@cotrain/swarm';
import type { Reference } from '@cotrain/protocol';
import type { BenchRow } from './bench-row.ts';

const MB = 1e6;
const SMALL_BYTES = 10 * MB;
const LARGE_BYTES = 1000 * MB;
const WINDOW_BYTES = 50 * MB;
/** Client memory may grow by this between a file of 10 MB and one of 1 GB: buffers, not the file. */
const RSS_GROWTH_BAR_MB = 128;

const row = (metric: string, value: number, unit: string, rest: Partial<BenchRow> = {}): BenchRow => ({
  bench: 'swarm',
  metric,
  value,
  unit,
  better: 'higher',
  bar: null,
  peer: null,
  peerValue: null,
  ...rest,
});

/** Seconds that an action takes. */
async function seconds(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return (performance.now() - start) / 1000;
}

/** The store as users run it: in a process of its own, so that its work is not the client's. */
async function startStore(dir: string): Promise<{ url: string; child: ChildProcess }> {
  const program = createRequire(import.meta.url).resolve('@cotrain/swarm/serve.js');
  const child = spawn(process.execPath, [program, '--dir', dir, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const message = JSON.parse(line) as { type?: string; url?: string };
    if (message.type === 'ready' && message.url !== undefined) return { url: message.url, child };
  }
  throw new Error('The store ended before it was ready.');
}

/** Bytes that differ in every group without costing time to make. */
async function* syntheticFile(length: number): AsyncGenerator<Uint8Array> {
  const group = randomBytes(GROUP_BYTES);
  for (let position = 0; position < length; position += GROUP_BYTES) {
    await Promise.resolve();
    group.writeDoubleLE(position);
    // A chunk has 4096 bytes: each gets a number of its own, so that no chunk is stored only once for many.
    for (let chunk = 0; chunk < GROUP_BYTES; chunk += 4096) group.writeDoubleLE(position + chunk, chunk);
    yield group.subarray(0, Math.min(GROUP_BYTES, length - position));
  }
}

/** Streams a file and reports the speed and this process's largest resident size. */
async function streamWhole(url: string, reference: Reference): Promise<{ mbPerSecond: number; rssMb: number }> {
  const client = new SwarmClient({ url, cacheBytes: 16 * 2 ** 20 });
  globalThis.gc?.();
  let rss = 0;
  // The median of windows, because what else runs on the machine comes and goes.
  const windows: number[] = [];
  let windowStartedMs = performance.now();
  let windowLength = 0;
  for await (const piece of (await client.open(reference)).stream()) {
    windowLength += piece.length;
    rss = Math.max(rss, process.memoryUsage.rss());
    if (windowLength < WINDOW_BYTES) continue;
    windows.push(windowLength / MB / ((performance.now() - windowStartedMs) / 1000));
    windowStartedMs = performance.now();
    windowLength = 0;
  }
  const middle = windows.toSorted((a, b) => a - b)[Math.floor(windows.length / 2)];
  return { mbPerSecond: middle ?? Number.NaN, rssMb: rss / MB };
}

/** Verified downloads and uploads through the embedded store, beside bee-js, which does not verify. */
export async function run(): Promise<BenchRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'cotrain-bench-'));
  const { url, child } = await startStore(dir);
  try {
    const client = new SwarmClient({ url });
    const hashed = randomBytes(32 * MB);
    referenceOf(hashed.subarray(0, 4 * MB));
    const hashSpeed = hashed.length / MB / (await seconds(() => Promise.resolve(referenceOf(hashed))));
    const peerBytes = hashed.subarray(0, 4 * MB);
    const peerHashSpeed = peerBytes.length / MB / (await seconds(() => MerkleTree.root(peerBytes)));

    const small = await client.upload(syntheticFile(SMALL_BYTES));
    await streamWhole(url, small);
    const atSmall = await streamWhole(url, small);
    let large: Reference = small;
    const uploadSpeed =
      LARGE_BYTES / MB / (await seconds(async () => (large = await client.upload(syntheticFile(LARGE_BYTES)))));
    const atLarge = await streamWhole(url, large);
    const medium = await client.upload(syntheticFile(100 * MB));
    const verified = await seconds(() => new SwarmClient({ url }).download(medium, { maxBytes: 100 * MB }));
    const unverified = await seconds(() => new Bee(url).downloadData(medium.slice(2)));
    return [
      row('reference of bytes in memory', hashSpeed, 'MB/s', { peer: 'bee-js MerkleTree', peerValue: peerHashSpeed }),
      row('verify and assemble 1 GB from the store (median of 50 MB)', atLarge.mbPerSecond, 'MB/s', { bar: 40 }),
      row('download 100 MB, verified', (100 * MB) / MB / verified, 'MB/s', {
        peer: 'bee-js downloadData, unverified',
        peerValue: 100 / unverified,
      }),
      row('upload 1 GB, reference verified', uploadSpeed, 'MB/s'),
      row('client RSS while streaming 10 MB', atSmall.rssMb, 'MB', { better: 'lower' }),
      row('client RSS while streaming 1 GB', atLarge.rssMb, 'MB', {
        better: 'lower',
        bar: atSmall.rssMb + RSS_GROWTH_BAR_MB,
      }),
    ];
  } finally {
    child.kill();
    await once(child, 'exit');
    await rm(dir, { recursive: true, force: true });
  }
}
