/**
 * The contracts' tests: forge's unit, fuzz and invariant tests on the bytecode of contracts/build, the arithmetic of
 * fraud proofs and the deployment script against a chain, and the gas of every call held to gas-snapshot.json.
 *
 *   node scripts/test.ts [--update] [-- ARGUMENTS OF forge test]
 *
 * `--update` writes gas-snapshot.json instead of comparing with it. Fuzz and invariant tests take other inputs each day:
 * their seed is the date in UTC, or FOUNDRY_FUZZ_SEED, and it is printed, so that a run can be repeated. The last line is
 * `contracts: N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { compareGas, readGas } from './gas.ts';

const root = join(import.meta.dirname, '..');
const require = createRequire(import.meta.url);
const packages = dirname(dirname(dirname(require.resolve('@openzeppelin/contracts/package.json'))));
const snapshotFile = join(root, 'gas-snapshot.json');
const measuredFolder = join(root, 'cache/gas');
const separator = process.argv.indexOf('--');
const options = process.argv.slice(2, separator < 0 ? undefined : separator);
const forgeArguments = separator < 0 ? [] : process.argv.slice(separator + 1);
const unknown = options.find((option) => option !== '--update');
if (unknown !== undefined) {
  console.error(`Unknown option ${unknown}. Usage: node scripts/test.ts [--update] [-- ARGUMENTS OF forge test]`);
  process.exit(2);
}

/** What the inputs of fuzz and invariant tests follow from: FOUNDRY_FUZZ_SEED, or the date, such as 20261124. */
const fuzzSeed = process.env['FOUNDRY_FUZZ_SEED'] ?? new Date().toISOString().slice(0, 10).replaceAll('-', '');

/** Runs a program, passes its output on and returns it. */
function run(command: string, args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        // forge starts scripts/solc.ts through `env node`, which must be the Node that runs us.
        PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
        FOUNDRY_REMAPPINGS: `@openzeppelin/=${join(packages, '@openzeppelin')}/`,
        FOUNDRY_DISABLE_NIGHTLY_WARNING: '1',
        FOUNDRY_FUZZ_SEED: fuzzSeed,
      },
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk);
      output += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code: code ?? 1, output });
    });
  });
}

/** Whether contracts/build is as new as the sources that it was made from. */
function isBuilt(): boolean {
  const built = join(root, 'build/TrainingMarket.json');
  if (!existsSync(built)) return false;
  const sources = [...globSync('src/**/*.sol', { cwd: root }), 'scripts/build.ts', 'scripts/compile.ts'].map((file) =>
    join(root, file),
  );
  return sources.every((file) => statSync(file).mtimeMs <= statSync(built).mtimeMs);
}

function count(output: string, pattern: RegExp): number {
  return [...output.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
}

let passed = 0;
let failed = 0;
/** A program that ends badly without naming a failed test has still failed. */
function add(code: number, passes: number, failures: number): void {
  passed += passes;
  failed += code !== 0 && failures === 0 ? 1 : failures;
}

if (!isBuilt()) {
  const { code } = await run(process.execPath, ['scripts/build.ts']);
  if (code !== 0) {
    console.log('contracts: 0 passed, 1 failed');
    process.exit(1);
  }
}

rmSync(measuredFolder, { recursive: true, force: true });
mkdirSync(measuredFolder, { recursive: true });
console.log(`fuzz seed ${fuzzSeed}: repeat it with FOUNDRY_FUZZ_SEED=${fuzzSeed}`);
const forge = await run(process.execPath, [join(packages, '@foundry-rs/forge/bin.mjs'), 'test', ...forgeArguments]);
// forge's launcher ends with 0 whatever happened, so what counts is that forge got to its last line.
const finished = /^Ran \d+ test suites? in /m.test(forge.output);
add(
  finished ? forge.code : 1,
  count(forge.output, /Suite result: .*? (\d+) passed;/g),
  count(forge.output, /Suite result: .*? (\d+) failed;/g),
);

if (forgeArguments.length === 0) {
  // One of these measures gas too, with the compiler's settings of contracts/build.
  const nodeTests = await run(process.execPath, ['--test', '--test-reporter=tap', '{scripts,test}/**/*.test.ts']);
  add(nodeTests.code, count(nodeTests.output, /^# pass (\d+)$/gm), count(nodeTests.output, /^# fail (\d+)$/gm));
  const measured = readGas(measuredFolder);
  if (options.includes('--update')) {
    writeFileSync(snapshotFile, `${JSON.stringify(measured, null, 2)}\n`);
    console.log(`gas-snapshot.json: ${String(Object.keys(measured).length)} figures written`);
  } else {
    const committed = existsSync(snapshotFile)
      ? (JSON.parse(readFileSync(snapshotFile, 'utf8')) as Record<string, number>)
      : {};
    const complaints = compareGas(committed, measured);
    for (const complaint of complaints) console.log(`gas: ${complaint}`);
    if (complaints.length > 0)
      console.log('gas: if this is meant, run `node contracts/scripts/test.ts --update` and commit gas-snapshot.json');
    add(complaints.length, complaints.length === 0 ? 1 : 0, complaints.length);
  }
}

console.log(`contracts: ${String(passed)} passed, ${String(failed)} failed`);
process.exitCode = failed === 0 ? 0 : 1;
