import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fromHex, type Hex, toHex } from '@cotrain/protocol';

/** Where training can continue. */
export interface Checkpoint {
  jobHeaderHash: Hex;
  /** Steps done. */
  step: number;
  /** Bytes of the log that belong to these steps. */
  logBytes: number;
  /** SHA-256 of these bytes, so that a log that the disk damaged is not continued. */
  logDigest: Uint8Array;
  state: Uint8Array;
}

// magic (8) | job header hash (32) | step u64 | log bytes u64 | log's SHA-256 (32) | SHA-256 of all but itself (32) | state
const magic = Buffer.from('CTCKPT02', 'latin1');
const headBytes = 88;
const digestBytes = 32;

/** Newest first. The one before is kept, in case the disk damages the newest. */
const fileNames = ['checkpoint.bin', 'checkpoint.previous.bin'] as const;

/** Replaces the checkpoint: written aside, on disk, then renamed, so that one is whole at any moment. */
export async function writeCheckpoint(workdir: string, checkpoint: Checkpoint): Promise<void> {
  const [newest, previous] = fileNames.map((name) => join(workdir, name)) as [string, string];
  const head = Buffer.alloc(headBytes);
  magic.copy(head);
  head.set(fromHex(checkpoint.jobHeaderHash), 8);
  head.writeBigUInt64BE(BigInt(checkpoint.step), 40);
  head.writeBigUInt64BE(BigInt(checkpoint.logBytes), 48);
  head.set(checkpoint.logDigest, 56);
  const file = await open(`${newest}.tmp`, 'w');
  try {
    await file.writev([head, digestOf(head, checkpoint.state), checkpoint.state]);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(newest, previous).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
  await rename(`${newest}.tmp`, newest);
  await syncDirectory(dirname(newest));
}

/** The checkpoints that are whole, newest first. Without any, training from the start gives the same bytes. */
export async function* readCheckpoints(workdir: string): AsyncGenerator<Checkpoint> {
  for (const name of fileNames) {
    const checkpoint = await readCheckpoint(join(workdir, name));
    if (checkpoint !== null) yield checkpoint;
  }
}

async function readCheckpoint(path: string): Promise<Checkpoint | null> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  const head = bytes.subarray(0, headBytes);
  const state = bytes.subarray(headBytes + digestBytes);
  if (bytes.length < headBytes + digestBytes || !head.subarray(0, 8).equals(magic)) return null;
  if (!digestOf(head, state).equals(bytes.subarray(headBytes, headBytes + digestBytes))) return null;
  return {
    jobHeaderHash: toHex(head.subarray(8, 40)),
    step: Number(head.readBigUInt64BE(40)),
    logBytes: Number(head.readBigUInt64BE(48)),
    logDigest: head.subarray(56, headBytes),
    state: new Uint8Array(state),
  };
}

function digestOf(head: Uint8Array, state: Uint8Array): Buffer {
  return createHash('sha256').update(head).update(state).digest();
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** A rename is only on disk once its directory is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
