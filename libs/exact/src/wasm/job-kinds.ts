/** What a job does; the numbers are those of assembly/kinds.ts. */
export const jobKinds = {
  packBlocks: 0,
  multiplyTiles: 1,
  contractItems: 2,
} as const;
export type JobKind = keyof typeof jobKinds;
