export { ExactBackend } from './backend/exact-backend.ts';
export {
  type OperationObserver,
  OperationRecorder,
  type RecordedOperation,
  type RecordedTensor,
} from './backend/recording.ts';
export { type ExactBackendOptions, registerExactBackend } from './backend/register.ts';
export { ComposedBackend } from './composed/composed-backend.ts';
export { InnerBackendUnavailableError, TfjsNodeUnavailableError } from './composed/errors.ts';
export { type ComposedBackendOptions, registerComposedBackend } from './composed/register.ts';
export { loadTfjsNode, tfjsNodeFolder, tfjsNodeIsInstalled } from './composed/tfjs-node.ts';
export { adamStep, dropoutMask, type DropoutPlace, momentumStep, sgdStep } from './backend/training.ts';
export { type AdamOptions, adamCoefficients, type BetaPowers, initialBetaPowers } from './adam-coefficients.ts';
export { contractionBits, contractionBlock, contractionRanges } from './contraction-ranges.ts';
export {
  combineShards,
  type DenseGradients,
  type DenseLayer,
  type DenseShard,
  largestExponents,
  type ShardExponents,
  shardExponents,
  type ShardSums,
  shardSums,
} from './data-parallel.ts';
export * from './errors.ts';
export * from './kernels.ts';
export {
  deriveProgram,
  programKernels,
  type StateBinding,
  type StepBindings,
  type StepRecording,
  type ViewBinding,
} from './program/derive.ts';
export { kernelMachine } from './program/kernel-machine.ts';
export { type ByteSink, streamTrace } from './program/stream-trace.ts';
export { UnsupportedStepError } from './program/errors.ts';
export { evaluateElement, type ReadElement, type StepPlace, type StoredSpace } from './program/evaluate.ts';
export { type ProgramColumn, recordStep, type StepToRecord } from './program/record-step.ts';
export {
  elementMachine,
  type OutputSink,
  type StepInput,
  StepInputError,
  type StepMachine,
  type StepResult,
  StepRun,
} from './program/run-step.ts';
export { packDenseState, packState, StateShapeError, unpackDenseState, unpackState } from './program/state.ts';
export { isLowerBound, isSkipped, isSlotSegment, sortFault, type SortFault } from './program/witness.ts';
export { bytesIn, type ProgramArray, readElement } from './program/typed-arrays.ts';
export { createReferenceKernels } from './reference/reference-kernels.ts';
export { NotAllocatedError, UnavailableVariantError } from './wasm/errors.ts';
export { type WasmVariant, wasmVariants } from './wasm/module.ts';
export { type PackedFormat } from './wasm/packed-format.ts';
export { type WasmOptions } from './wasm/runtime.ts';
export { createWasmKernels, type WasmKernels } from './wasm/wasm-kernels.ts';
export { nativeIsAvailable } from './native/addon.ts';
export { NativeUnavailableError } from './native/errors.ts';
export {
  createNativeKernels,
  type NativeKernelName,
  nativeKernelNames,
  type NativeKernels,
  type NativeOptions,
} from './native/native-kernels.ts';
