export { type AdamOptions, adamCoefficients, type BetaPowers, initialBetaPowers } from './adam-coefficients.ts';
export { contractionBits, contractionBlock, contractionRanges } from './contraction-ranges.ts';
export * from './errors.ts';
export * from './kernels.ts';
export { createReferenceKernels } from './reference/reference-kernels.ts';
