// What the benchmark shares with the tests. It is run as it stands here. Not for production.
export { tf } from './backends.ts';
export { convolutionalModel, denseModel, type TestModel, transformerModel } from './models.ts';
export type { LongRun } from './long-run.ts';
export type { TaskName } from './tasks.ts';
