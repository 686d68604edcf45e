export * from './availability.ts';
export * from './canonical-json.ts';
export * from './commitment.ts';
export * from './dataset-manifest.ts';
export { describeIssue, type DescribedIssue } from './describe-issue.ts';
export * from './errors.ts';
export * from './header-json.ts';
export * from './job-header.ts';
export * from './job-spec.ts';
export * from './keccak.ts';
export * from './philox.ts';
export * from './program.ts';
export {
  decodeStepProgram,
  encodeStepProgram,
  MAX_STATE_NAME_BYTES,
  programSections,
  readProgram,
  STATE_ENTRY_BYTES,
  writeProgram,
} from './program/encoding.ts';
export { InvalidStepProgramError } from './program/errors.ts';
export * from './program/index-map.ts';
export * from './program/layout.ts';
export * from './program/opcodes.ts';
export { RECORD_BYTES } from './program/record-encoding.ts';
export * from './program/step-program.ts';
export { isValueBits } from './program/rules.ts';
export { validateProgram } from './program/validate.ts';
export { moveSources, operandPositions, type PositionRange } from './program/validate-operands.ts';
export * from './reference.ts';
export * from './row-order.ts';
export * from './training-log.ts';
export * from './view-rows.ts';
