import {
  decodeLogEntry,
  decodeLogHeader,
  endsSegment,
  LOG_ENTRY_BYTES,
  LOG_HEADER_BYTES,
  type LogEntry,
  type LogHeader,
  logLength,
  ProtocolError,
  type Reference,
  segmentCount,
  segmentRange,
} from '@cotrain/protocol';
import { TrainerError } from './errors.ts';
import type { Job } from './job.ts';
import type { StoredFile } from './store.ts';

const entriesPerRead = 8_192;

/** The trainer's commitment contradicts its own job or format: no execution is needed to see that. */
export class CommitmentInvalidError extends TrainerError {}

/** What a check of the whole log keeps; a log may have 2^24 entries, so that is only what drawn segments need. */
export interface CommittedLog {
  header: LogHeader;
  /** State roots at the end of the drawn segments, of those before them, and of the last. */
  roots: Map<number, Reference>;
  /** Entries of the drawn segments. */
  entries: Map<number, LogEntry[]>;
}

/**
 * Reads a committed log once, piece by piece, and checks its form.
 * @throws CommitmentInvalidError saying what is wrong; OutOfRangeError for a segment that the job does not have
 */
export async function readCommittedLog(job: Job, file: StoredFile, segments: readonly number[]): Promise<CommittedLog> {
  const { header } = job;
  for (const segment of segments) segmentRange(header, segment);
  if (file.length !== logLength(header.steps))
    throw new CommitmentInvalidError(
      `the log has ${String(file.length)} bytes; ${String(header.steps)} steps have ${String(logLength(header.steps))}`,
    );
  const headerBytes = await file.read(0, LOG_HEADER_BYTES);
  const logHeader = refuse('the log header', () => decodeLogHeader(headerBytes));
  if (logHeader.jobHeaderHash !== job.headerHash)
    throw new CommitmentInvalidError(`the log is of job ${logHeader.jobHeaderHash}, not of ${job.headerHash}`);
  if (!job.spec.backends.includes(logHeader.backend) || logHeader.runtime !== job.spec.runtime)
    throw new CommitmentInvalidError(
      `the log was made by ${logHeader.backend} as ${logHeader.runtime}, which the job does not allow`,
    );
  const last = segmentCount(header) - 1;
  const wanted = new Set([last, ...segments, ...segments.map((segment) => segment - 1)]);
  const roots = new Map<number, Reference>();
  const entries = new Map<number, LogEntry[]>(segments.map((segment) => [segment, []]));
  for (let first = 0; first < header.steps; first += entriesPerRead) {
    const count = Math.min(entriesPerRead, header.steps - first);
    const bytes = await file.read(LOG_HEADER_BYTES + first * LOG_ENTRY_BYTES, count * LOG_ENTRY_BYTES);
    for (let step = first; step < first + count; step++) {
      const at = (step - first) * LOG_ENTRY_BYTES;
      const entry = refuse(`the entry of step ${String(step)}`, () =>
        decodeLogEntry(bytes.subarray(at, at + LOG_ENTRY_BYTES)),
      );
      const due = endsSegment(header, step);
      if (due !== (entry.stateRoot !== null))
        throw new CommitmentInvalidError(`the entry of step ${String(step)} ${due ? 'lacks its' : 'has a'} state root`);
      const segment = Math.floor(step / header.commitEvery);
      if (entry.stateRoot !== null && wanted.has(segment)) roots.set(segment, entry.stateRoot);
      entries.get(segment)?.push(entry);
    }
  }
  return { header: logHeader, roots, entries };
}

/** The state root that a segment starts from. */
export function rootBefore(job: Job, log: CommittedLog, segment: number): Reference {
  return segment === 0 ? job.header.initialStateReference : rootAfter(log, segment - 1);
}

export function rootAfter(log: CommittedLog, segment: number): Reference {
  const root = log.roots.get(segment);
  if (root === undefined) throw new Error(`segment ${String(segment)} has no state root`);
  return root;
}

function refuse<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof ProtocolError) throw new CommitmentInvalidError(`${what}: ${cause.message}`, { cause });
    throw cause;
  }
}
