import {
  checkJobHeader,
  checkSpecAgainstHeader,
  type DatasetManifest,
  DATASET_MANIFEST_MAX_BYTES,
  type DatasetSplit,
  decodeDatasetManifest,
  decodeJobSpec,
  decodeProgram,
  type Hex,
  hashJobHeader,
  JOB_SPEC_MAX_BYTES,
  type JobHeader,
  type JobSpec,
  type Program,
  PROGRAM_MAX_BYTES,
  type Reference,
} from '@cotrain/protocol';
import { InvalidJobError, JobInputUnavailableError, MachineFaultError } from './errors.ts';
import type { StateLayout } from './state-layout.ts';
import { foreignValue } from './state-values.ts';
import { type ContentStore, isRetryable, type Patience, type StoredFile, withPatience } from './store.ts';

/** A job's documents, checked against each other. */
export interface Job {
  header: JobHeader;
  headerHash: Hex;
  spec: JobSpec;
  program: Program;
  manifest: DatasetManifest;
  testSplit: DatasetSplit | null;
}

/** Downloads and checks what a JobHeader names. @throws InvalidJobError, JobInputUnavailableError, ProtocolError */
export async function loadJob(store: ContentStore, header: JobHeader, patience: Patience = {}): Promise<Job> {
  checkJobHeader(header);
  const fetch = (what: string, reference: Reference, maxBytes: number): Promise<Uint8Array> =>
    readInput(what, () => store.download(reference, { maxBytes }), patience);
  const spec = decodeJobSpec(await fetch('The JobSpec', header.jobSpecReference, JOB_SPEC_MAX_BYTES));
  checkSpecAgainstHeader(spec, header);
  const program = decodeProgram(await fetch('The Program', header.programReference, PROGRAM_MAX_BYTES));
  const manifest = decodeDatasetManifest(
    await fetch('The dataset manifest', spec.dataset.manifestReference, DATASET_MANIFEST_MAX_BYTES),
  );
  const train = findSplit(manifest, 'trainSplit', spec.dataset.trainSplit);
  if (
    train.viewReference !== header.trainingViewReference ||
    BigInt(train.rows) !== header.rows ||
    train.rowBytes !== header.rowBytes
  )
    throw new InvalidJobError(
      `The JobHeader's training view (${header.trainingViewReference}, ${String(header.rows)} rows of ${String(header.rowBytes)} bytes) is not split ${spec.dataset.trainSplit} of the dataset (${train.viewReference}, ${String(train.rows)} rows of ${String(train.rowBytes)} bytes).`,
    );
  const { testSplit } = spec.dataset;
  return {
    header,
    headerHash: hashJobHeader(header),
    spec,
    program,
    manifest,
    testSplit: testSplit === undefined ? null : findSplit(manifest, 'testSplit', testSplit),
  };
}

/** Opens a view and checks its length. */
export async function openView(
  store: ContentStore,
  split: DatasetSplit,
  name: string,
  patience: Patience = {},
): Promise<StoredFile> {
  const file = await readInput(`The ${name} view`, () => store.open(split.viewReference), patience);
  if (file.length !== split.rows * split.rowBytes)
    throw new InvalidJobError(
      `The ${name} view ${split.viewReference} has ${String(file.length)} bytes instead of ${String(split.rows)} rows of ${String(split.rowBytes)}.`,
    );
  return file;
}

/**
 * The state before the first step.
 * @throws InvalidJobError when it is not one of the Program's, or an element is no number of the runtime
 */
export async function readInitialState(
  store: ContentStore,
  { header, spec }: Job,
  layout: StateLayout,
  patience: Patience = {},
): Promise<Uint8Array> {
  const { initialStateReference } = header;
  const file = await readInput('The initial state', () => store.open(initialStateReference), patience);
  if (file.length !== layout.bytes)
    throw new InvalidJobError(
      `The initial state ${initialStateReference} has ${String(file.length)} bytes, the Program's layout ${String(layout.bytes)}: publish the state that belongs to the Program.`,
    );
  const state = await readInput('The initial state', () => file.read(0, file.length), patience);
  const foreign = foreignValue(spec.runtime, layout, state);
  if (foreign !== null)
    throw new InvalidJobError(
      `The initial state ${initialStateReference}: ${foreign}: publish a state of such values, as \`cotrain offer create\` does.`,
    );
  return state;
}

/** Reads something that the job, not the trainer, answers for: not getting it is nobody's fault here and may pass. */
export async function readInput<T>(what: string, action: () => Promise<T>, patience: Patience = {}): Promise<T> {
  try {
    return await withPatience(action, patience);
  } catch (error) {
    if (error instanceof MachineFaultError) throw error;
    if (isRetryable(error)) throw new JobInputUnavailableError(what, error);
    throw error;
  }
}

function findSplit(manifest: DatasetManifest, field: string, name: string): DatasetSplit {
  const split = Object.hasOwn(manifest.splits, name) ? manifest.splits[name] : undefined;
  if (split === undefined)
    throw new InvalidJobError(
      `JobSpec.dataset.${field} is ${name}; the dataset has ${Object.keys(manifest.splits).join(', ')}.`,
    );
  return split;
}
