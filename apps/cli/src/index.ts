export { type DemoOptions, runDemo } from './demo/demo.ts';
export type { DemoReport, OfferReport } from './demo/report.ts';
export { createProgram } from './program.ts';
export { type Stack, type StackOptions, startStack } from './stack/stack.ts';
export { Story } from './terminal/story.ts';
