// What tests and benchmarks of training share. Not for production.
export { alteredRunner, type OnStep, type StepOutcome } from './testing/altered-runner.ts';
export * from './testing/example-programs.ts';
export * from './testing/memory-store.ts';
export * from './testing/mnist-view.ts';
export * from './testing/publish-job.ts';
export * from './testing/small-jobs.ts';
export * from './testing/workdir.ts';
