import {
  type DatasetManifest,
  encodeDatasetManifest,
  type Reference,
  rowBytes,
  type ViewColumn,
} from '@cotrain/protocol';
import type { SwarmClient } from '@cotrain/swarm';
import { CommandError, exitCodes } from '../client/errors.ts';

/** What a dataset is; its rows come split by split. */
export interface DatasetSource extends Pick<DatasetManifest, 'name' | 'license' | 'provenance' | 'parent'> {
  columns: readonly ViewColumn[];
  /** Encoded rows, read once each. */
  splits: Readonly<Record<string, () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>>>;
}

export interface PushedDataset {
  manifest: DatasetManifest;
  manifestReference: Reference;
  /** Of all training views. */
  bytes: number;
}

/** Rows are gathered to pieces of this size, so that tiny rows do not cost a step of the upload each. */
const pieceBytes = 65_536;

/**
 * Uploads the rows as training views and then the manifest. Memory stays flat. An interrupted push may simply be
 * repeated: chunks are addressed by their contents, so what is there already is not stored a second time.
 * @throws CommandError when a split has no row; whatever the rows or the store throw
 */
export async function pushDataset(
  swarm: Pick<SwarmClient, 'upload'>,
  source: DatasetSource,
  onRows: (split: string, rows: number) => void = () => undefined,
): Promise<PushedDataset> {
  const { columns, splits: sources, ...described } = source;
  const stride = rowBytes(columns);
  const splits: DatasetManifest['splits'] = {};
  let bytes = 0;
  for (const [name, open] of Object.entries(sources)) {
    let rows = 0;
    const viewReference = await swarm.upload(
      inPieces(open(), (count) => {
        rows = count;
        onRows(name, rows);
      }),
    );
    if (rows === 0)
      throw new CommandError(
        exitCodes.usage,
        `Split ${name} has no rows. Give a file with at least one, or leave it out.`,
      );
    splits[name] = { viewReference, rows, rowBytes: stride };
    bytes += rows * stride;
  }
  const manifest: DatasetManifest = {
    version: 'cotrain.dataset/1',
    ...described,
    columns: [...columns],
    splits,
  };
  return { manifest, manifestReference: await swarm.upload(encodeDatasetManifest(manifest)), bytes };
}

async function* inPieces(
  rows: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  onRows: (rows: number) => void,
): AsyncGenerator<Uint8Array> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let count = 0;
  for await (const row of rows) {
    pending.push(row);
    pendingBytes += row.length;
    count++;
    if (pendingBytes < pieceBytes) continue;
    yield Buffer.concat(pending);
    onRows(count);
    pending = [];
    pendingBytes = 0;
  }
  if (pendingBytes > 0) yield Buffer.concat(pending);
  onRows(count);
}
