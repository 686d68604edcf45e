const block = 64;
const stripe = 64;

/** Floats for the results of a list's blocks of 64, of their blocks, and so on. */
function resultsOf(length: number): number {
  let results = 0;
  for (let left = length; left > block;) {
    left = Math.ceil(left / block);
    results += left;
  }
  return results;
}

const alignedBytes = (floats: number): number => Math.ceil((floats * 4) / 64) * 64;

/** Scratch bytes to reduce a row of this length; see assembly/reduce.ts. */
export const rowScratch = (length: number): number => alignedBytes(block + resultsOf(length));

/** Scratch bytes to reduce a stripe of so many rows. */
export const stripeScratch = (length: number): number => alignedBytes(stripe * (block / 2 + resultsOf(length)));

/** Bytes of so many rows of a stripe. */
export const stripeRows = (rows: number): number => rows * stripe * 4;

/** Stripes that so many columns make. */
export const stripesOf = (columns: number): number => Math.ceil(columns / stripe);
