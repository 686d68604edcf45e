import type { LogEntry, Runtime, Tolerance } from '@cotrain/protocol';
import type { StateLayout } from './state-layout.ts';
import type { BatchResult } from './step-runner.ts';

/** How what was executed again is compared with what was committed: exact/1 for equality, tfjs/1 within a tolerance. */
export type ComparisonKind = 'equality' | 'tolerance';

export function comparisonOf(runtime: Runtime): ComparisonKind {
  return runtime === 'exact/1' ? 'equality' : 'tolerance';
}

/** Compares a segment's entries and then its state, and remembers what it found. */
export abstract class Comparison {
  maxAbsolute = 0;
  /** Relative to the committed value; values below the floor are left out. */
  maxRelative = 0;
  /** The first thing found wrong. */
  reason: string | null = null;

  /** @param predictions that the metric is the mean over */
  abstract compareEntry(step: number, recomputed: BatchResult, committed: LogEntry, predictions: number): void;

  /** @returns the root mean square difference */
  compareState(layout: StateLayout, state: Uint8Array, committed: Uint8Array): number {
    if (committed.length !== layout.bytes) {
      this.fail(`the committed state has ${String(committed.length)} bytes instead of ${String(layout.bytes)}`);
      return 0;
    }
    if (Buffer.compare(state, committed) === 0) return 0;
    return this.compareElements(
      layout,
      new Float32Array(state.slice().buffer),
      new Float32Array(committed.slice().buffer),
    );
  }

  /** States whose bytes differ. @returns the root mean square difference */
  protected abstract compareElements(layout: StateLayout, ours: Float32Array, theirs: Float32Array): number;

  protected note(a: number, b: number, floor: number): void {
    const error = Math.abs(a - b);
    const finite = Number.isFinite(error) ? error : Number.MAX_VALUE;
    this.maxAbsolute = Math.max(this.maxAbsolute, finite);
    if (Math.abs(b) > floor) this.maxRelative = Math.max(this.maxRelative, finite / Math.abs(b));
  }

  protected fail(reason: string): void {
    this.reason ??= reason;
  }
}

/** Every bit counts. */
export class EqualityComparison extends Comparison {
  override compareEntry(step: number, recomputed: BatchResult, committed: LogEntry): void {
    for (const field of ['loss', 'metric'] as const) {
      const [ours, theirs] = [Math.fround(recomputed[field]), committed[field]];
      this.note(ours, theirs, 0);
      if (!Object.is(ours, theirs))
        this.fail(`step ${String(step)}: the ${field} is ${withBits(ours)}, the log says ${withBits(theirs)}`);
    }
  }

  protected override compareElements({ entries }: StateLayout, ours: Float32Array, theirs: Float32Array): number {
    // As floats two NaNs would be the same, whatever their bits.
    const [ourBits, theirBits] = [bitsOf(ours), bitsOf(theirs)];
    let squares = 0;
    for (const { name, offset, elements } of entries)
      for (let i = offset / 4; i < offset / 4 + elements; i++) {
        if (ourBits[i] === theirBits[i]) continue;
        const [a, b] = [ours[i] ?? Number.NaN, theirs[i] ?? Number.NaN];
        squares += (a - b) ** 2;
        this.note(a, b, 0);
        this.fail(
          `${name}[${String(i - offset / 4)}] is ${withBits(a, ourBits[i])}, the committed state says ${withBits(b, theirBits[i])}`,
        );
      }
    // Called for states that differ: no layout may hide where.
    this.fail('the states differ where their layout names no element');
    return Math.sqrt(squares / Math.max(1, theirs.length));
  }
}

const bitsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);

/** A float32 with enough digits to tell it from its neighbours, and its bits. */
function withBits(value: number, bits = bitsOf(Float32Array.of(value))[0] ?? 0): string {
  const digits = Object.is(value, -0) ? '-0' : String(Number(value.toPrecision(9)));
  return `${digits} (bits ${bits.toString(16).padStart(8, '0')})`;
}

/** Differences up to a tolerance are what float32 arithmetic does on another machine. */
export class ToleranceComparison extends Comparison {
  readonly #tolerance: Tolerance;

  constructor(tolerance: Tolerance) {
    super();
    this.#tolerance = tolerance;
  }

  override compareEntry(step: number, recomputed: BatchResult, committed: LogEntry, predictions: number): void {
    const { absolute, relative } = this.#tolerance;
    this.note(recomputed.loss, committed.loss, absolute);
    if (!(Math.abs(recomputed.loss - committed.loss) <= absolute + relative * Math.abs(committed.loss)))
      this.fail(`step ${String(step)}: the loss is ${String(recomputed.loss)}, the log says ${String(committed.loss)}`);
    // Accuracy moves by whole predictions where two classes are almost equally likely.
    const flips = Math.max(2, 0.005 * predictions) / predictions;
    const slack =
      absolute + relative * Math.abs(committed.metric) + (recomputed.metric === committed.metric ? 0 : flips);
    if (!(Math.abs(recomputed.metric - committed.metric) <= slack))
      this.fail(
        `step ${String(step)}: the metric is ${String(recomputed.metric)}, the log says ${String(committed.metric)}`,
      );
  }

  protected override compareElements({ entries }: StateLayout, ours: Float32Array, theirs: Float32Array): number {
    let squares = 0;
    for (const { name, kind, offset, elements } of entries) {
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
        this.note(a, b, this.#tolerance.absolute);
        if (!(error <= absolute + this.#tolerance.relative * Math.abs(b)))
          this.fail(`${name}[${String(i - first)}] is ${String(a)}, the committed state says ${String(b)}`);
      }
    }
    return Math.sqrt(squares / Math.max(1, theirs.length));
  }
}

function rootMeanSquare(values: Float32Array, first: number, count: number): number {
  let squares = 0;
  for (let i = first; i < first + count; i++) squares += (values[i] ?? 0) ** 2;
  return Math.sqrt(squares / Math.max(1, count));
}
