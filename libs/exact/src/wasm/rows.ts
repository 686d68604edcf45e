import { type ExactKernels, type Reduction, reductions } from '../kernels.ts';
import { joinCopy } from './layout.ts';
import type { WasmRuntime } from './runtime.ts';
import { rowScratch, stripeRows, stripeScratch, stripesOf } from './scratch.ts';

const reductionNumbers = new Map<Reduction, number>(reductions.map((name, index) => [name, index]));

// Rough durations of an element, for the decision whether to wake the threads.
const reducing = 0.3;
const moving = 0.5;
const exponential = 2;

type Rows = Pick<
  ExactKernels,
  'reduce' | 'argReduce' | 'softmax' | 'logSoftmax' | 'gatherRows' | 'segmentSum' | 'copyStrided' | 'dropoutMask'
>;

/** §5, §7, §10, §11 and copies over a WASM runtime. */
export function rowKernels(runtime: WasmRuntime): Rows {
  const softmaxRows = (out: Float32Array, x: Float32Array, rows: number, columns: number, isLog: boolean): void => {
    if (x.length === 0) return;
    const bytes = rowScratch(columns);
    runtime.withScratch(bytes * runtime.threads, (scratch) => {
      runtime.run('softmax', rows, columns * exponential, [
        ...[isLog ? 1 : 0, out.byteOffset, x.byteOffset, columns, scratch, bytes],
      ]);
    });
  };
  return {
    reduce(operation, out, x, { outer, length, inner }) {
      if (out.length === 0) return;
      const bytes = inner === 1 ? rowScratch(length) : stripeScratch(length);
      const units = outer * (inner === 1 ? 1 : stripesOf(inner));
      runtime.withScratch(bytes * runtime.threads, (scratch) => {
        runtime.run('reduce', units, (x.length / units) * reducing, [
          ...[reductionNumbers.get(operation) as number, out.byteOffset, x.byteOffset],
          ...[length, inner, scratch, bytes],
        ]);
      });
    },
    argReduce(operation, out, x, { outer, length, inner }) {
      runtime.run('argReduce', outer * inner, length * moving, [
        ...[operation === 'argMin' ? 1 : 0, out.byteOffset, x.byteOffset, length, inner],
      ]);
    },
    softmax(out, x, rows, columns) {
      softmaxRows(out, x, rows, columns, false);
    },
    logSoftmax(out, x, rows, columns) {
      softmaxRows(out, x, rows, columns, true);
    },
    gatherRows(out, x, indices, tableRows, width) {
      runtime.run('gatherRows', indices.length, width * moving, [
        ...[out.byteOffset, x.byteOffset, indices.byteOffset, tableRows, width],
      ]);
    },
    segmentSum(out, x, ids, segments, width) {
      if (out.length === 0) return;
      const { starts, order, longest } = groupBySegment(ids, segments);
      const rowsBytes = stripeRows(longest);
      const bytes = rowsBytes + stripeScratch(longest);
      const listBytes = Math.ceil(((starts.length + order.length) * 4) / 64) * 64;
      runtime.withScratch(listBytes + bytes * runtime.threads, (scratch) => {
        const lists = new Int32Array(x.buffer, scratch, starts.length + order.length);
        lists.set(starts);
        lists.set(order, starts.length);
        runtime.run('segmentSum', segments, (ids.length / segments) * width * moving, [
          ...[out.byteOffset, x.byteOffset, scratch + starts.length * 4, scratch, width],
          ...[scratch + listBytes, bytes, rowsBytes],
        ]);
      });
    },
    copyStrided(out, x, copy) {
      const { shape, outOffset, outStrides, xOffset, xStrides } = joinCopy(copy);
      if (shape.includes(0)) return;
      runtime.run('copyStrided', shape[0] * shape[1] * shape[2] * shape[3], shape[4] * shape[5] * moving, [
        ...[out.byteOffset + outOffset * 4, x.byteOffset + xOffset * 4],
        ...[...shape, ...outStrides, ...xStrides],
      ]);
    },
    dropoutMask(out, { seedLow, seedHigh, step, substream, stream, threshold, keepScale }) {
      runtime.float(8, keepScale);
      runtime.run('dropoutMask', Math.ceil(out.length / 8), 30, [
        ...[out.byteOffset, out.length, seedLow, seedHigh, step, substream, stream, threshold],
      ]);
    },
  };
}

/** Rows by segment, in ascending order inside of each: segment s has order[starts[s]] to order[starts[s + 1] - 1]. */
function groupBySegment(ids: Int32Array, segments: number): { starts: Int32Array; order: Int32Array; longest: number } {
  const starts = new Int32Array(segments + 1);
  for (const id of ids) if (id >= 0 && id < segments) (starts[id + 1] as number)++;
  let longest = 0;
  for (let segment = 0; segment < segments; segment++) {
    longest = Math.max(longest, starts[segment + 1] as number);
    (starts[segment + 1] as number) += starts[segment] as number;
  }
  const next = starts.slice();
  const order = new Int32Array(starts[segments] as number);
  ids.forEach((id, row) => {
    if (id >= 0 && id < segments) order[(next[id] as number)++] = row;
  });
  return { starts, order, longest };
}
