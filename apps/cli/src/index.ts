export { type DemoOptions, runDemo } from './demo/demo.ts';
export type { DemoReport, OfferReport } from './demo/report.ts';
export { Story } from './demo/story.ts';
