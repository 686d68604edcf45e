import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fromHex, type Hex, toHex } from '@cotrain/protocol';

/** Where training can continue. */
export interface Checkpoint {
  jobHeaderHash: Hex;
  /** Steps done. */
  step: number;
  /** Bytes of the log that belong to these steps. */
  logBytes: number;
  state: Uint8Array;
}

// magic (8) | job header hash (32) | step u64 | log bytes u64 | sha-256 of all but itself (32) | state
const magic = Buffer.from('CTCKPT01', 'latin1');
const headBytes = 56;
const digestBytes = 32;

/** Replaces the checkpoint: written aside, on disk, then renamed, so that one is whole at any moment. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const head = Buffer.alloc(headBytes);
  magic.copy(head);
  head.set(fromHex(checkpoint.jobHeaderHash), 8);
  head.writeBigUInt64BE(BigInt(checkpoint.step), 40);
  head.writeBigUInt64BE(BigInt(checkpoint.logBytes), 48);
  const file = await open(`${path}.tmp`, 'w');
  try {
    await file.writev([head, digestOf(head, checkpoint.state), checkpoint.state]);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
  await syncDirectory(dirname(path));
}

/** The checkpoint, or null if there is none or the disk has damaged it: training from the start gives the same bytes. */
export async function readCheckpoint(path: string): Promise<Checkpoint | null> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
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
    state: new Uint8Array(state),
  };
}

function digestOf(head: Uint8Array, state: Uint8Array): Buffer {
  return createHash('sha256').update(head).update(state).digest();
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
