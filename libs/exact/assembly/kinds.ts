// What a job does. The numbers are those of src/wasm/job-kinds.ts.
import { contractItem, multiplyTiles, packBlocks } from './contraction';

export function runKind(kind: i32, begin: i32, end: i32, thread: i32): void {
  switch (kind) {
    case 0:
      packBlocks(begin, end);
      break;
    case 1:
      multiplyTiles(begin, end, thread);
      break;
    case 2:
      for (let item = begin; item < end; item++) contractItem(item, thread);
      break;
  }
}
