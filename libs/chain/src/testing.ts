// What tests of this library, and of those that stand on it, share. Not for production.
export * from './testing/intent-store-contract.ts';
export * from './testing/model-chain.ts';
export * from './testing/unreliable-source.ts';
