import {
  type Hex,
  type JobHeader,
  keccak256,
  type LogEntry,
  type Reference,
  segmentCount,
  segmentRange,
  type Tolerance,
} from '@cotrain/protocol';
import { CorruptChunkError, FileTooLargeError, MalformedFileError, NotFoundError } from '@cotrain/swarm';
import { CommitmentInvalidError, type CommittedLog, readCommittedLog, rootAfter, rootBefore } from './committed-log.ts';
import { type ComparisonKind, comparisonOf } from './comparison.ts';
import { BackendUnavailableError } from './errors.ts';
import { type Job, loadJob, openView, readInitialState, readInput } from './job.ts';
import { boundsOf, type ProgramBounds } from './model.ts';
import { BatchStream, RowReader } from './row-reader.ts';
import { checkSegment, type CheckedSegment, evidenceDigest, type SegmentVerdict } from './segment-check.ts';
import { selectFor, type Wanted } from './select-runtime.ts';
import type { StateLayout } from './state-layout.ts';
import { foreignValue } from './state-values.ts';
import { StepRunner } from './step-runner.ts';
import { type ContentStore, type Patience, pause, withPatience } from './store.ts';
import { requireFiniteState, UndefinedStepError } from './undefined-step.ts';

export type Vote = 'Valid' | 'Invalid' | 'Unavailable';

/** What a validator votes, and why. */
export interface CommitmentVerdict {
  vote: Vote;
  /** What a segment had to be to be found right: equal to the bit, or within the JobSpec's tolerance. */
  comparison: ComparisonKind;
  /** keccak-256 of the recomputed losses, metrics and state roots, which only executing them yields. */
  evidence: Hex;
  segments: SegmentVerdict[];
  /** Why the commitment is invalid or unavailable as a whole. */
  reason?: string;
}

export interface ValidateOptions extends Wanted {
  store: ContentStore;
  header: JobHeader;
  logReference: Reference;
  modelReference: Reference;
  /** Drawn segments; each is executed from the committed state before it. */
  segments: readonly number[];
  /** Instead of the JobSpec's; of jobs for tfjs/1. Of exact/1 every bit is compared. */
  tolerance?: Tolerance;
  cacheBytes?: number;
  bounds?: ProgramBounds;
  patience?: Patience;
  onSegment?: (verdict: SegmentVerdict) => void;
}

/**
 * Checks a commitment: form of the whole log, retrievability of log, model and drawn states, and the drawn segments
 * by executing them. What the trainer published decides the vote; trouble with the job's own inputs or with the
 * store is thrown, because it says nothing about the trainer.
 * @throws JobInputUnavailableError, StoreUnavailableError, BackendUnavailableError, OutOfRangeError (no such segment)
 */
export async function validateCommitment(options: ValidateOptions): Promise<CommitmentVerdict> {
  const { store, header, patience = {} } = options;
  const job = await loadJob(store, header, patience);
  const comparison = comparisonOf(job.spec.runtime);
  const segments = [...new Set(options.segments)].sort((a, b) => a - b);
  const checked: CheckedSegment[] = [];
  const conclude = (vote: Vote, reason?: string): CommitmentVerdict => ({
    vote,
    comparison,
    evidence: checked.length === 0 ? keccak256(new TextEncoder().encode(vote)) : evidenceDigest(checked),
    segments: checked.map((segment) => segment.verdict),
    ...(reason === undefined ? {} : { reason }),
  });
  try {
    const log = await published('the log', patience, async () =>
      readCommittedLog(job, await store.open(options.logReference), segments),
    );
    const last = rootAfter(log, segmentCount(header) - 1);
    if (last !== options.modelReference)
      throw new CommitmentInvalidError(`the model is ${options.modelReference}, the log's last state root ${last}`);
    await execute(options, job, log, segments, (segment) => {
      checked.push(segment);
      options.onSegment?.(segment.verdict);
    });
  } catch (error) {
    if (error instanceof CommitmentInvalidError) return conclude('Invalid', error.message);
    if (error instanceof UnretrievableError) return conclude('Unavailable', error.message);
    throw error;
  }
  const bad = checked.find((segment) => !segment.verdict.ok);
  if (bad !== undefined)
    return conclude('Invalid', `segment ${String(bad.verdict.segment)}: ${bad.verdict.reason ?? ''}`);
  // Many small steps in one direction could each be within tolerance: their sum has a bound of its own.
  const drift = checked.reduce((sum, segment) => sum + segment.verdict.drift, 0);
  const bound = (options.tolerance ?? job.spec.tolerance).drift;
  if (!(drift <= bound))
    return conclude(
      'Invalid',
      `the states drift by ${String(drift)} over the checked segments; ${String(bound)} is allowed`,
    );
  return conclude('Valid');
}

async function execute(
  options: ValidateOptions,
  job: Job,
  log: CommittedLog,
  segments: readonly number[],
  onSegment: (segment: CheckedSegment) => void,
): Promise<void> {
  const { store, header, modelReference, patience = {}, cacheBytes, bounds } = options;
  await selectForValidating(options, job, log);
  const runner = await StepRunner.create({
    program: job.program,
    columns: job.manifest.columns,
    seed: header.seed,
    batchSize: header.batchSize,
    bounds: bounds ?? boundsOf(job.spec),
  });
  try {
    const committed = async (what: string, root: Reference): Promise<Uint8Array> => {
      const state = await published(what, patience, () => readState(store, root, what, runner.layout.bytes));
      // Nobody reaches such a state by the rules, unless he was given it.
      if (root !== header.initialStateReference) refuseUnreachable(what, state, job, runner.layout);
      return state;
    };
    await committed('the model', modelReference);
    const split = { viewReference: header.trainingViewReference, rows: Number(header.rows), rowBytes: header.rowBytes };
    const reader = new RowReader(await openView(store, split, 'training', patience), header.rowBytes, {
      patience,
      ...(cacheBytes === undefined ? {} : { cacheBytes }),
    });
    for (const segment of segments) {
      const root = rootBefore(job, log, segment);
      const before =
        segment === 0
          ? await readInitialState(store, job, runner.layout, patience)
          : await committed(`the state before segment ${String(segment)}`, root);
      const after = await committed(`the state after segment ${String(segment)}`, rootAfter(log, segment));
      const entries: LogEntry[] = log.entries.get(segment) ?? [];
      const tolerance =
        comparisonOf(job.spec.runtime) === 'equality' ? null : (options.tolerance ?? job.spec.tolerance);
      const batches = new BatchStream(header, reader, segmentRange(header, segment).endStep);
      onSegment(
        await readInput('A batch of the training view', () =>
          checkSegment(runner, batches, { header, segment, tolerance, before, after, entries }),
        ),
      );
    }
  } finally {
    runner.dispose();
  }
}

/** The trainer's own backend where this machine has it: then the results agree to the bit. */
async function selectForValidating(options: ValidateOptions, job: Job, log: CommittedLog): Promise<void> {
  const { backend, implementation } = options;
  if (backend === undefined && implementation === undefined)
    try {
      await selectFor(job.spec, { backend: log.header.backend });
      return;
    } catch (error) {
      // Not installed here; the tolerance is for exactly this.
      if (!(error instanceof BackendUnavailableError)) throw error;
    }
  await selectFor(job.spec, { backend, implementation });
}

async function readState(store: ContentStore, root: Reference, what: string, bytes: number): Promise<Uint8Array> {
  const file = await store.open(root);
  if (file.length !== bytes)
    throw new CommitmentInvalidError(`${what} has ${String(file.length)} bytes instead of ${String(bytes)}`);
  return file.read(0, file.length);
}

/** A state that holds what no step gives was made up. */
function refuseUnreachable(what: string, state: Uint8Array, { spec }: Job, layout: StateLayout): void {
  const foreign = foreignValue(spec.runtime, layout, state);
  if (foreign !== null) throw new CommitmentInvalidError(`${what}: ${foreign}`);
  try {
    requireFiniteState(state);
  } catch (cause) {
    if (!(cause instanceof UndefinedStepError)) throw cause;
    throw new CommitmentInvalidError(`${what}: ${cause.message}`, { cause });
  }
}

/** Something that the trainer had to publish cannot be had. */
class UnretrievableError extends Error {}

/** Asked for this often before it counts as missing: a network answers so, too, while it looks elsewhere. */
const attemptsToRetrieve = 3;

async function published<T>(what: string, patience: Patience, action: () => Promise<T>, attempt = 1): Promise<T> {
  try {
    return await withPatience(action, patience);
  } catch (error) {
    const missing = error instanceof NotFoundError || error instanceof CorruptChunkError;
    if (missing && attempt < attemptsToRetrieve) {
      await pause(attempt * 500, patience);
      return published(what, patience, action, attempt + 1);
    }
    if (missing) throw new UnretrievableError(`${what} cannot be retrieved: ${error.message}`, { cause: error });
    if (error instanceof MalformedFileError || error instanceof FileTooLargeError)
      throw new CommitmentInvalidError(`${what}: ${error.message}`, { cause: error });
    throw error;
  }
}
