import {
  encodeLogEntry,
  type JobHeader,
  keccak256,
  type LogEntry,
  segmentRange,
  type Tolerance,
  VOID_LOSS,
} from '@cotrain/protocol';
import { referenceOf } from '@cotrain/swarm';
import { type ComparisonKind, EqualityComparison, ToleranceComparison } from './comparison.ts';
import type { BatchStream } from './row-reader.ts';
import type { BatchResult, Runner } from './step-runner.ts';
import { requireFiniteState, UndefinedStepError } from './undefined-step.ts';

/** What executing a segment again gave, against what was committed. */
export interface SegmentVerdict {
  segment: number;
  comparison: ComparisonKind;
  maxAbsoluteError: number;
  /** Relative to the committed value; values below the absolute tolerance are left out. */
  maxRelativeError: number;
  /** Root mean square difference of the state at the segment's end. */
  drift: number;
  ok: boolean;
  reason?: string;
}

export interface CheckedSegment {
  verdict: SegmentVerdict;
  /** The recomputed entries with the recomputed state's root: known only to who ran the segment. */
  evidence: Uint8Array;
}

export interface SegmentInput {
  header: JobHeader;
  segment: number;
  /** Null: every bit must be the committed one. */
  tolerance: Tolerance | null;
  /** Committed state before the segment and after it. */
  before: Uint8Array;
  after: Uint8Array;
  /** Committed entries of the segment, in order. */
  entries: readonly LogEntry[];
}

/** Executes a segment from the committed state before it, and compares each loss and the state after it. */
export async function checkSegment(runner: Runner, batches: BatchStream, input: SegmentInput): Promise<CheckedSegment> {
  const { header, segment, tolerance, entries } = input;
  const { firstStep, endStep } = segmentRange(header, segment);
  const comparison = tolerance === null ? new EqualityComparison() : new ToleranceComparison(tolerance);
  const recomputed: Uint8Array[] = [];
  const { results, state } = await executeSegment(runner, batches, header, firstStep, endStep, input.before);
  results.forEach((result, index) => {
    const committed = entries[index];
    if (committed === undefined) throw new Error(`the log's entry of step ${String(firstStep + index)} was not read`);
    comparison.compareEntry(firstStep + index, result, committed, header.batchSize * runner.predictionsPerRow);
    recomputed.push(encodeLogEntry({ ...result, stateRoot: null }));
  });
  const drift = comparison.compareState(runner.layout, state, input.after);
  recomputed.push(encodeLogEntry({ loss: 0, metric: 0, stateRoot: referenceOf(state) }));
  return {
    verdict: {
      segment,
      comparison: tolerance === null ? 'equality' : 'tolerance',
      maxAbsoluteError: comparison.maxAbsolute,
      maxRelativeError: comparison.maxRelative,
      drift,
      ok: comparison.reason === null,
      ...(comparison.reason === null ? {} : { reason: comparison.reason }),
    },
    evidence: Buffer.concat(recomputed),
  };
}

/** Digest of what only executing the segments yields. */
export function evidenceDigest(segments: readonly CheckedSegment[]): `0x${string}` {
  return keccak256(Buffer.concat(segments.map((segment) => segment.evidence)));
}

/** What a trainer must have logged, and the state that he must have reached. */
async function executeSegment(
  runner: Runner,
  batches: BatchStream,
  header: JobHeader,
  firstStep: number,
  endStep: number,
  before: Uint8Array,
): Promise<{ results: BatchResult[]; state: Uint8Array }> {
  const results: BatchResult[] = [];
  try {
    runner.writeState(before);
    for (let step = firstStep; step < endStep; step++)
      results.push(runner.train(step, await batches.batch(step), header.batchSize));
    return { results, state: requireFiniteState(runner.readState()) };
  } catch (error) {
    if (!(error instanceof UndefinedStepError)) throw error;
    // From the step without a result on, or from the last one where only the state shows it.
    const kept = results.slice(0, endStep - firstStep - 1);
    const voided = Array.from({ length: endStep - firstStep - kept.length }, () => ({ loss: VOID_LOSS, metric: 0 }));
    return { results: [...kept, ...voided], state: before };
  }
}
