import { randomInt } from 'node:crypto';
import { type JobHeader, ProtocolError, rowIndices } from '@cotrain/protocol';
import { BackendUnavailableError } from './errors.ts';
import { type Job, loadJob, openView, readInitialState, readInput } from './job.ts';
import { boundsOf } from './model.ts';
import { RowReader } from './row-reader.ts';
import { selectFor, type Wanted } from './select-runtime.ts';
import { StepRunner } from './step-runner.ts';
import { type ContentStore, type Patience, type StoredFile } from './store.ts';
import { requireFiniteState } from './undefined-step.ts';
import { drawSegments } from './verify.ts';

/** Whether a job can be trained, as far as that shows before training it. */
export interface JobCheck {
  ok: boolean;
  /** Why not; null when it can. */
  reason: string | null;
}

export interface CheckOptions extends Wanted {
  store: ContentStore;
  header: JobHeader;
  /** Memory that the check may take for the model, whatever the JobSpec declares. */
  maxMemoryBytes?: number;
  /** A training view up to this is read whole, of a larger one a random sample; 1 GiB unless given. */
  wholeViewBytes?: number;
  /** Chunks of a larger view that are read; 4,096 unless given. */
  sampleChunks?: number;
  /** A whole number from 0 up to, not including, its argument; cryptographic unless given. */
  random?: (below: number) => number;
  patience?: Patience;
}

const chunkBytes = 4_096;
const pieceBytes = 2 ** 20;
/** Reads at a time: 4 MiB of a view in memory at most. */
const readsAtOnce = 4;

/**
 * Finds out before a pool stakes anything on a job whether it can be trained: builds the model, compares the initial
 * state with its layout, executes one step on the first batch, and reads the training view, or a sample of a large one.
 * What the job's documents and rows say is the answer; what may be different the next time is thrown.
 * @throws JobInputUnavailableError, StoreUnavailableError (something cannot be retrieved now)
 */
export async function checkJob(options: CheckOptions): Promise<JobCheck> {
  const { store, header, patience = {} } = options;
  try {
    const job = await loadJob(store, header, patience);
    const split = { viewReference: header.trainingViewReference, rows: Number(header.rows), rowBytes: header.rowBytes };
    const view = await openView(store, split, 'training', patience);
    await checkFirstStep(options, job, view);
    await checkRetrievable(options, view);
    return { ok: true, reason: null };
  } catch (error) {
    if (!isTerminal(error)) throw error;
    return { ok: false, reason: error.message };
  }
}

/** Errors of this trainer, of the protocol and of the store say of themselves that asking again cannot help. */
function isTerminal(error: unknown): error is Error {
  if (error instanceof ProtocolError) return true;
  return error instanceof Error && (error as { retryable?: unknown }).retryable === false;
}

async function checkFirstStep(options: CheckOptions, job: Job, view: StoredFile): Promise<void> {
  const { header, store, patience = {}, maxMemoryBytes = Infinity } = options;
  const declared = boundsOf(job.spec);
  await selectForChecking(job, options);
  const runner = await StepRunner.create({
    program: job.program,
    columns: job.manifest.columns,
    seed: header.seed,
    batchSize: header.batchSize,
    bounds: { ...declared, maxMemoryBytes: Math.min(declared.maxMemoryBytes, maxMemoryBytes) },
  });
  try {
    runner.writeState(requireFiniteState(await readInitialState(store, job, runner.layout, patience)));
    const reader = new RowReader(view, header.rowBytes, { patience, cacheBytes: 2 ** 22 });
    const rows = rowIndices(header.seed, 0, header.batchSize, header.rows);
    const batch = await readInput('The first batch of the training view', () => reader.read(rows));
    runner.train(0, batch, header.batchSize);
    requireFiniteState(runner.readState());
  } finally {
    runner.dispose();
  }
}

/** The machine that checks need not be the one that trains: without the job's backends it takes what every machine has. */
async function selectForChecking({ spec }: Job, { backend, implementation }: Wanted): Promise<void> {
  try {
    await selectFor(spec, { backend, implementation });
  } catch (error) {
    if (!(error instanceof BackendUnavailableError) || backend !== undefined || implementation !== undefined)
      throw error;
    if (spec.runtime === 'exact/1') throw error;
    await selectFor({ ...spec, backends: ['wasm', 'cpu'] });
  }
}

async function checkRetrievable(options: CheckOptions, view: StoredFile): Promise<void> {
  const {
    patience = {},
    wholeViewBytes = 2 ** 30,
    sampleChunks = 4_096,
    random = (below) => randomInt(below),
  } = options;
  const read = (offset: number, length: number): Promise<unknown> =>
    readInput(
      `The training view's bytes from ${String(offset)}`,
      () => view.read(offset, Math.min(length, view.length - offset)),
      patience,
    );
  if (view.length <= wholeViewBytes) {
    const pieces = Math.ceil(view.length / pieceBytes);
    await inTurn(pieces, (piece) => read(piece * pieceBytes, pieceBytes));
    return;
  }
  const drawn = drawSegments(Math.ceil(view.length / chunkBytes), sampleChunks, random);
  await inTurn(drawn.length, (index) => read((drawn[index] ?? 0) * chunkBytes, chunkBytes));
}

/** Does numbered work, a few at a time, until the first failure. */
async function inTurn(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < count && !failed) {
      try {
        await work(next++);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: readsAtOnce }, worker));
}
