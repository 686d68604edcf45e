/**
 * Runs every project's tests one project after another and adds their counts up.
 *
 *   npm test [-- PROJECT ...]
 *
 * A suite is any project with a `test` target. Jest suites are counted from Jest's own JSON report; the
 * contracts' suite prints `contracts: N passed, N failed`. With CI=true a test that is skipped because a tool
 * is missing counts as a failure, so that a green build never hides an untested part.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, existsSync, globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

interface SuiteResult {
  project: string;
  passed: number;
  failed: number;
  skipped: string[];
  seconds: number;
}

interface JestReport {
  numPassedTests: number;
  numFailedTests: number;
  numRuntimeErrorTestSuites: number;
  testResults: { assertionResults: { status: string; fullName: string }[] }[];
}

const root = join(import.meta.dirname, '..');
const jestArguments = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  join(root, 'node_modules/jest/bin/jest.js'),
];
const strict = process.env['CI'] === 'true';

/** Runs a command with inherited output, or captures its standard output while passing it on. */
function run(command: string, args: string[], cwd: string): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'], env: process.env });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk);
      // Only the closing line is read, so only the end is kept.
      output = (output + chunk.toString()).slice(-65_536);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code: code ?? 1, output });
    });
  });
}

async function runJest(project: string, cwd: string): Promise<Omit<SuiteResult, 'seconds'>> {
  const folder = mkdtempSync(join(tmpdir(), 'cotrain-test-'));
  const reportFile = join(folder, 'report.json');
  try {
    const { code } = await run(
      process.execPath,
      [...jestArguments, '--json', `--outputFile=${reportFile}`, '--testLocationInResults'],
      cwd,
    );
    if (!existsSync(reportFile)) return { project, passed: 0, failed: 1, skipped: [] };
    const report = JSON.parse(readFileSync(reportFile, 'utf8')) as JestReport;
    const skipped = report.testResults
      .flatMap((file) => file.assertionResults)
      .filter((test) => test.status === 'pending' || test.status === 'todo')
      .map((test) => test.fullName);
    const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
    // A run that ends badly without naming a failed test has still failed.
    return { project, passed: report.numPassedTests, failed: code !== 0 && failed === 0 ? 1 : failed, skipped };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runContracts(cwd: string): Promise<Omit<SuiteResult, 'seconds'>> {
  const { code, output } = await run(process.execPath, ['scripts/test.ts'], cwd);
  const counts = /contracts: (\d+) passed, (\d+) failed/.exec(output);
  const failed = Number(counts?.[2] ?? 1);
  return {
    project: 'contracts',
    passed: Number(counts?.[1] ?? 0),
    failed: code !== 0 && failed === 0 ? 1 : failed,
    skipped: [],
  };
}

const wanted = process.argv.slice(2);
const allProjects = globSync('{contracts,libs/*,apps/*,test}/package.json', { cwd: root }).map((file) => dirname(file));
const projects = allProjects
  .filter((folder) => wanted.length === 0 || wanted.some((name) => folder === name || folder.endsWith(`/${name}`)))
  // The floor first: what everything else stands on fails first.
  .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));

function rank(folder: string): number {
  const order = ['contracts', 'libs/protocol', 'libs', 'apps', 'test'];
  return order.findIndex((prefix) => folder.startsWith(prefix));
}

if (projects.length === 0) {
  const names = allProjects.sort().map((folder) => basename(folder));
  console.error(`No project matches ${wanted.join(', ')}. Projects: ${names.join(', ')}.`);
  process.exit(2);
}

const build = await run(join(root, 'node_modules/.bin/nx'), ['run-many', '-t', 'build', '--output-style=static'], root);
if (build.code !== 0) {
  console.log('0 passed, 1 failed');
  process.exit(1);
}

const results: SuiteResult[] = [];
for (const project of projects) {
  console.log(`\n=== ${project}`);
  const started = performance.now();
  const result =
    project === 'contracts' ? await runContracts(join(root, project)) : await runJest(project, join(root, project));
  results.push({ ...result, seconds: (performance.now() - started) / 1000 });
}

console.log('');
for (const { project, passed, failed, skipped, seconds } of results) {
  console.log(
    `${project.padEnd(16)} ${String(passed).padStart(5)} passed ${String(failed).padStart(3)} failed ${String(skipped.length).padStart(3)} skipped ${seconds.toFixed(0).padStart(5)} s`,
  );
  for (const name of skipped) console.log(`  ${strict ? 'FAILED (skipped with CI=true)' : 'skipped'}: ${name}`);
}
const sum = (pick: (result: SuiteResult) => number): number =>
  results.reduce((total, result) => total + pick(result), 0);
const skipped = sum((result) => result.skipped.length);
const failed = sum((result) => result.failed) + (strict ? skipped : 0);
console.log(`\n${sum((result) => result.passed)} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
