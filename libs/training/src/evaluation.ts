import type { DatasetSplit } from '@cotrain/protocol';
import type { RowReader } from './row-reader.ts';
import type { BatchResult, Runner } from './step-runner.ts';

const rowsPerBatch = 256;

/** Mean loss and metric over a split, without training on it. */
export async function evaluateSplit(
  runner: Runner,
  reader: RowReader,
  split: DatasetSplit,
  signal?: AbortSignal,
): Promise<BatchResult> {
  let loss = 0;
  let metric = 0;
  for (let first = 0; first < split.rows; first += rowsPerBatch) {
    signal?.throwIfAborted();
    const count = Math.min(rowsPerBatch, split.rows - first);
    const rows = await reader.read(Array.from({ length: count }, (_, index) => first + index));
    const result = runner.evaluate(rows, count);
    loss += result.loss * count;
    metric += result.metric * count;
  }
  return { loss: loss / split.rows, metric: metric / split.rows };
}
