export { checkJob, type CheckOptions, type JobCheck } from './check.ts';
export { CommitmentInvalidError } from './committed-log.ts';
export {
  BackendUnavailableError,
  InvalidJobError,
  JobInputUnavailableError,
  KernelMissingError,
  MachineFaultError,
  ProgramTooLargeError,
  TrainerError,
  TrainingInterruptedError,
  UnsupportedProgramError,
  WorkdirInUseError,
  WorkdirLockedError,
} from './errors.ts';
export { type ExactImplementation, exactImplementations } from './exact-implementations.ts';
// Its home is libs/protocol; trainers take it from here.
export { formatHeaderJson, parseHeaderJson } from '@cotrain/protocol';
export { buildInitialState } from './initial-state.ts';
export { type Job, loadJob } from './job.ts';
export { buildModel, type BuiltModel, defaultBounds, type ModelWeight, type ProgramBounds } from './model.ts';
export { type Probe, probeProgram } from './probe.ts';
export { type ProgressEvent, progressPrinter, type ProgressStyle } from './progress.ts';
export { type Selection, selectFor, type Wanted } from './select-runtime.ts';
export type { ComparisonKind } from './comparison.ts';
export type { SegmentVerdict } from './segment-check.ts';
export { decodeState, encodeState, type StateEntry, type StateLayout, stateLayout } from './state-layout.ts';
export { type BatchResult, type Runner, type RunnerOptions, StepRunner } from './step-runner.ts';
export { type ContentStore, isRetryable, type Patience, type StoredFile } from './store.ts';
export { trainJob, type TrainOptions, type TrainResult } from './train-job.ts';
export { UndefinedStepError } from './undefined-step.ts';
export { type CommitmentVerdict, type ValidateOptions, validateCommitment, type Vote } from './validate.ts';
export { drawSegments, verifyCommitment, type VerifyOptions } from './verify.ts';
