// What a job does. The numbers are those of src/wasm/job-kinds.ts.
import { binary, compare, select } from './binary';
import { addQuartersOf, contractItem, multiplyTiles, packBlocks } from './contraction';
import { convolveFilterBlocks, convolveRows } from './convolution';
import { copyStrided, gatherRows, normalise, segmentSum } from './moves';
import { adamStep, momentumStep, sgdStep } from './optimizers';
import { avgPool, maxPool, poolGradient, poolGradientApart } from './pool';
import { dropoutMask } from './random';
import { argReduce, reduce } from './reduce';
import { softmax } from './softmax';
import { unary } from './unary';

/** Runs the units from `begin` up to `end`. */
export function runKind(kind: i32, begin: i32, end: i32, thread: i32): void {
  switch (kind) {
    case 0:
      return packBlocks(begin, end);
    case 1:
      return multiplyTiles(begin, end, thread);
    case 2:
      for (let item = begin; item < end; item++) contractItem(item, thread);
      return;
    case 3:
      return unary(begin, end);
    case 4:
      return binary(begin, end);
    case 5:
      return compare(begin, end);
    case 6:
      return select(begin, end);
    case 7:
      return reduce(begin, end, thread);
    case 8:
      return argReduce(begin, end);
    case 9:
      return softmax(begin, end, thread);
    case 10:
      return sgdStep(begin, end);
    case 11:
      return momentumStep(begin, end);
    case 12:
      return adamStep(begin, end);
    case 13:
      return normalise(begin, end);
    case 14:
      return gatherRows(begin, end);
    case 15:
      return segmentSum(begin, end, thread);
    case 16:
      return copyStrided(begin, end);
    case 17:
      return dropoutMask(begin, end);
    case 18:
      return convolveRows(begin, end, thread);
    case 19:
      return convolveFilterBlocks(begin, end, thread);
    case 20:
      return maxPool(begin, end);
    case 21:
      return avgPool(begin, end, thread);
    case 22:
      return poolGradient(begin, end, thread);
    case 23:
      return poolGradientApart(begin, end);
    case 24:
      return addQuartersOf(begin, end);
  }
}
