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
import type { BatchStream } from './row-reader.ts';
import type { StateLayout } from './state-layout.ts';
import type { BatchResult, StepRunner } from './step-runner.ts';
import { requireFiniteState, UndefinedStepError } from './undefined-step.ts';

/** What executing a segment again gave, against what was committed. */
export interface SegmentVerdict {
  segment: number;
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
  tolerance: Tolerance;
  /** Committed state before the segment and after it. */
  before: Uint8Array;
  after: Uint8Array;
  /** Committed entries of the segment, in order. */
  entries: readonly LogEntry[];
}

/** Executes a segment from the committed state before it, and compares each loss and the state after it. */
export async function checkSegment(
  runner: StepRunner,
  batches: BatchStream,
  input: SegmentInput,
): Promise<CheckedSegment> {
  const { header, segment, tolerance, entries } = input;
  const { firstStep, endStep } = segmentRange(header, segment);
  const errors = new ErrorBounds(tolerance);
  const recomputed: Uint8Array[] = [];
  const { results, state } = await executeSegment(runner, batches, header, firstStep, endStep, input.before);
  results.forEach((result, index) => {
    const committed = entries[index];
    if (committed === undefined) throw new Error(`the log's entry of step ${String(firstStep + index)} was not read`);
    errors.compareEntry(firstStep + index, result, committed, header.batchSize * runner.predictionsPerRow);
    recomputed.push(encodeLogEntry({ ...result, stateRoot: null }));
  });
  const drift = errors.compareState(runner.layout, state, input.after);
  recomputed.push(encodeLogEntry({ loss: 0, metric: 0, stateRoot: referenceOf(state) }));
  return {
    verdict: {
      segment,
      maxAbsoluteError: errors.maxAbsolute,
      maxRelativeError: errors.maxRelative,
      drift,
      ok: errors.reason === null,
      ...(errors.reason === null ? {} : { reason: errors.reason }),
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
  runner: StepRunner,
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

class ErrorBounds {
  maxAbsolute = 0;
  maxRelative = 0;
  /** The first thing found wrong. */
  reason: string | null = null;
  readonly #tolerance: Tolerance;

  constructor(tolerance: Tolerance) {
    this.#tolerance = tolerance;
  }

  compareEntry(step: number, recomputed: BatchResult, committed: LogEntry, predictions: number): void {
    const { absolute, relative } = this.#tolerance;
    this.#note(recomputed.loss, committed.loss, absolute);
    if (!(Math.abs(recomputed.loss - committed.loss) <= absolute + relative * Math.abs(committed.loss)))
      this.#fail(
        `step ${String(step)}: the loss is ${String(recomputed.loss)}, the log says ${String(committed.loss)}`,
      );
    // Accuracy moves by whole predictions where two classes are almost equally likely.
    const flips = Math.max(2, 0.005 * predictions) / predictions;
    const slack =
      absolute + relative * Math.abs(committed.metric) + (recomputed.metric === committed.metric ? 0 : flips);
    if (!(Math.abs(recomputed.metric - committed.metric) <= slack))
      this.#fail(
        `step ${String(step)}: the metric is ${String(recomputed.metric)}, the log says ${String(committed.metric)}`,
      );
  }

  /** @returns the root mean square difference */
  compareState(layout: StateLayout, state: Uint8Array, committed: Uint8Array): number {
    if (committed.length !== layout.bytes) {
      this.#fail(`the committed state has ${String(committed.length)} bytes instead of ${String(layout.bytes)}`);
      return 0;
    }
    if (Buffer.compare(state, committed) === 0) return 0;
    const ours = new Float32Array(state.slice().buffer);
    const theirs = new Float32Array(committed.slice().buffer);
    let squares = 0;
    for (const { name, kind, offset, elements } of layout.entries) {
      const first = offset / 4;
      // Slots such as second moments are far smaller than weights: the tolerance that would be negligible for a
      // weight would let a slot be replaced, so it shrinks with the slot's own magnitude.
      const absolute =
        this.#tolerance.absolute * (kind === 'weight' ? 1 : Math.min(1, rootMeanSquare(theirs, first, elements)));
      for (let i = first; i < first + elements; i++) {
        const a = ours[i] ?? Number.NaN;
        const b = theirs[i] ?? Number.NaN;
        const error = Math.abs(a - b);
        if (error === 0) continue;
        squares += error * error;
        this.#note(a, b, this.#tolerance.absolute);
        if (!(error <= absolute + this.#tolerance.relative * Math.abs(b)))
          this.#fail(`${name}[${String(i - first)}] is ${String(a)}, the committed state says ${String(b)}`);
      }
    }
    return Math.sqrt(squares / Math.max(1, theirs.length));
  }

  #note(a: number, b: number, floor: number): void {
    const error = Math.abs(a - b);
    const finite = Number.isFinite(error) ? error : Number.MAX_VALUE;
    this.maxAbsolute = Math.max(this.maxAbsolute, finite);
    if (Math.abs(b) > floor) this.maxRelative = Math.max(this.maxRelative, finite / Math.abs(b));
  }

  #fail(reason: string): void {
    this.reason ??= reason;
  }
}

function rootMeanSquare(values: Float32Array, first: number, count: number): number {
  let squares = 0;
  for (let i = first; i < first + count; i++) squares += (values[i] ?? 0) ** 2;
  return Math.sqrt(squares / Math.max(1, count));
}
