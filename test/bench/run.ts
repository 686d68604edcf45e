/**
 * npm run bench [-- NAME ...] [--json FILE]
 *
 * Runs each benchmark in a process of its own (so that one's memory and compiled code do not colour another's),
 * prints the figures as a table with the machine's facts, and writes them to FILE. Exits 1 when a bar is missed.
 */
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type BenchRow, meetsBar } from './bench-row.ts';

const notBenches = new Set(['run', 'bench-row', 'exact-figures']);
/** Long ones, which run only when they are named. */
const onDemand = new Set(['dispute', 'exact', 'exact-2-threads', 'exact-long', 'program']);

async function runInChild(name: string, reportFile: string): Promise<void> {
  const module = (await import(pathToFileURL(join(import.meta.dirname, `${name}.ts`)).href)) as {
    run(): Promise<BenchRow[]>;
  };
  writeFileSync(reportFile, JSON.stringify(await module.run()));
}

function spawnBench(name: string, reportFile: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--expose-gc', import.meta.filename, '--child', name, '--json', reportFile],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    );
    child.on('error', reject);
    child.on('close', (code) => {
      resolve(code ?? 1);
    });
  });
}

const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 });

function printTable(rows: BenchRow[]): void {
  const table = rows.map((row) => [
    row.bench,
    row.metric,
    `${number.format(row.value)} ${row.unit}`,
    row.bar === null ? '' : `${row.better === 'higher' ? '>=' : '<='} ${number.format(row.bar)}`,
    row.peer === null || row.peerValue === null
      ? ''
      : `${row.peer}: ${number.format(row.peerValue)} (${number.format(row.value / row.peerValue)}x)`,
    meetsBar(row) ? '' : 'MISSED',
  ]);
  const header = ['bench', 'metric', 'value', 'bar', 'peer', ''];
  const widths = header.map((title, column) =>
    Math.max(title.length, ...table.map((cells) => cells[column]?.length ?? 0)),
  );
  for (const cells of [header, ...table])
    console.log(
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, child: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
});

if (values.help) {
  console.log('usage: npm run bench [-- NAME ...] [--json FILE]');
} else if (values.child !== undefined) {
  if (values.json === undefined) throw new Error('--child needs --json FILE');
  await runInChild(values.child, values.json);
} else {
  const all = globSync('*.ts', { cwd: import.meta.dirname })
    .map((file) => basename(file, '.ts'))
    .filter((name) => !notBenches.has(name))
    .sort();
  const unknown = positionals.filter((name) => !all.includes(name));
  if (unknown.length > 0) {
    console.error(`No benchmark is named ${unknown.join(', ')}. There are: ${all.join(', ')}.`);
    process.exit(2);
  }
  const folder = mkdtempSync(join(tmpdir(), 'cotrain-bench-'));
  const rows: BenchRow[] = [];
  const broken: string[] = [];
  for (const name of positionals.length > 0 ? positionals : all.filter((each) => !onDemand.has(each))) {
    console.log(`running ${name} ...`);
    const reportFile = join(folder, `${name}.json`);
    const code = await spawnBench(name, reportFile);
    if (code === 0) rows.push(...(JSON.parse(readFileSync(reportFile, 'utf8')) as BenchRow[]));
    else broken.push(`${name} (exit ${String(code)})`);
  }
  rmSync(folder, { recursive: true });
  console.log(
    `\n${cpus()[0]?.model ?? 'unknown processor'}, ${String(cpus().length)} threads, ${number.format(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform} ${process.arch}\n`,
  );
  printTable(rows);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  if (broken.length > 0) console.error(`\nbroken: ${broken.join(', ')}`);
  const missed = rows.filter((row) => !meetsBar(row));
  if (missed.length > 0) console.error(`\n${String(missed.length)} bars missed`);
  process.exit(broken.length > 0 || missed.length > 0 ? 1 : 0);
}
