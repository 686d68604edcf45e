// What only benchmarks use.
export { checkFloats } from './verification/check-floats.ts';
export { type Evm, startEvm } from './verification/evm.ts';
export { floatOperations } from './verification/float-operations.ts';
export { gasContracts, measureGas } from './verification/measure-gas.ts';
