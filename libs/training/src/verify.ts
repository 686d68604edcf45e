import { randomInt } from 'node:crypto';
import { segmentCount } from '@cotrain/protocol';
import { type CommitmentVerdict, type ValidateOptions, validateCommitment } from './validate.ts';

export interface VerifyOptions extends Omit<ValidateOptions, 'segments'> {
  /** How many segments to execute; all when there are fewer. */
  sample: number;
  /** A whole number from 0 up to, not including, its argument; cryptographic unless given. */
  random?: (below: number) => number;
}

/** Checks a commitment as a drawn validator does, over segments drawn here. */
export async function verifyCommitment({ sample, random, ...options }: VerifyOptions): Promise<CommitmentVerdict> {
  const segments = drawSegments(segmentCount(options.header), sample, random);
  return validateCommitment({ ...options, segments });
}

/** `sample` different segments, each choice equally likely, in order. */
export function drawSegments(
  count: number,
  sample: number,
  random: (below: number) => number = (below) => randomInt(below),
): number[] {
  // Floyd's algorithm: memory for the sample only, though a log may have 2^24 segments.
  const drawn = new Set<number>();
  for (let limit = Math.max(0, count - sample); limit < count; limit++) {
    const candidate = random(limit + 1);
    drawn.add(drawn.has(candidate) ? limit : candidate);
  }
  return [...drawn].sort((a, b) => a - b);
}
