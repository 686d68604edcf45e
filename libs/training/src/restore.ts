import {
  endsSegment,
  LOG_ENTRY_BYTES,
  LOG_HEADER_BYTES,
  type LogHeader,
  decodeLogEntry,
  decodeLogHeader,
  logEntryOffset,
  logLength,
  ProtocolError,
  type Reference,
} from '@cotrain/protocol';
import { MalformedFileError } from '@cotrain/swarm';
import { readCheckpoints } from './checkpoint.ts';
import type { Job } from './job.ts';
import { LogFile } from './log-file.ts';
import type { StateLayout } from './state-layout.ts';
import { foreignValue } from './state-values.ts';
import { type ContentStore, isRetryable, type Patience, type StoredFile, withPatience } from './store.ts';
import { requireFiniteState, UndefinedStepError } from './undefined-step.ts';

/** Where a run was found to be. */
export interface Restored {
  from: 'disk' | 'swarm';
  step: number;
  state: Uint8Array;
  log: LogFile;
}

/** The newest checkpoint on disk that is whole and whose part of the log is; null if there is none. */
export async function restoreFromDisk(
  workdir: string,
  logPath: string,
  job: Job,
  wanted: LogHeader,
): Promise<Restored | null> {
  const begun = await LogFile.header(logPath);
  if (begun === null || !isSameRun(begun, wanted)) return null;
  for await (const { jobHeaderHash, step, logBytes, logDigest, state } of readCheckpoints(workdir)) {
    if (jobHeaderHash !== job.headerHash || logBytes !== logLength(step)) continue;
    const log = await LogFile.resume(logPath, logBytes, logDigest);
    if (log !== null) return { from: 'disk', step, state, log };
  }
  return null;
}

/**
 * Continues after the last segment of a log that an earlier run published, for when its disk is lost.
 * Nothing in it is trusted beyond its form; null if it cannot be continued or had.
 */
export async function restoreFromSwarm(
  store: ContentStore,
  logReference: Reference,
  logPath: string,
  job: Job,
  wanted: LogHeader,
  layout: StateLayout,
  patience: Patience,
): Promise<Restored | null> {
  const { header } = job;
  try {
    const file = await withPatience(() => store.open(logReference), patience);
    const step = (file.length - LOG_HEADER_BYTES) / LOG_ENTRY_BYTES;
    if (!Number.isInteger(step) || step < 1 || step > header.steps || !endsSegment(header, step - 1)) return null;
    const read = (offset: number, length: number): Promise<Uint8Array> =>
      withPatience(() => file.read(offset, length), patience);
    if (!isSameRun(decodeLogHeader(await read(0, LOG_HEADER_BYTES)), wanted)) return null;
    const { stateRoot } = decodeLogEntry(await read(logEntryOffset(step - 1), LOG_ENTRY_BYTES));
    if (stateRoot === null) return null;
    const stateFile = await withPatience(() => store.open(stateRoot), patience);
    if (stateFile.length !== layout.bytes) return null;
    const state = requireFiniteState(await withPatience(() => stateFile.read(0, layout.bytes), patience));
    if (foreignValue(job.spec.runtime, layout, state) !== null) return null;
    return { from: 'swarm', step, state, log: await LogFile.copy(logPath, piecesOf(file, patience)) };
  } catch (error) {
    const unusable =
      error instanceof ProtocolError || error instanceof MalformedFileError || error instanceof UndefinedStepError;
    if (unusable || (isRetryable(error) && (error as Error).name !== 'StoreUnavailableError')) return null;
    throw error;
  }
}

function isSameRun(begun: LogHeader, wanted: LogHeader): boolean {
  return (
    begun.jobHeaderHash === wanted.jobHeaderHash &&
    begun.software === wanted.software &&
    begun.backend === wanted.backend &&
    begun.runtime === wanted.runtime
  );
}

async function* piecesOf(file: StoredFile, patience: Patience): AsyncGenerator<Uint8Array> {
  const pieceBytes = 2 ** 20;
  for (let offset = 0; offset < file.length; offset += pieceBytes)
    yield await withPatience(() => file.read(offset, Math.min(pieceBytes, file.length - offset)), patience);
}
