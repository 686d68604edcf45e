#!/usr/bin/env node
/**
 * Stands in for the native compiler, so that forge compiles with the pinned solc of package.json.
 * forge asks for `--version`, and otherwise passes a whole standard-json input with every source in it.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

interface Solc {
  version(): string;
  compile(input: string): string;
}

const solc = createRequire(import.meta.url)('solc') as Solc;
if (process.argv.includes('--version')) {
  const version = solc.version().replace('Emscripten.clang', 'Linux.g++');
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${version}`);
} else if (process.argv.includes('--standard-json')) {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')));
} else {
  console.error('Only --version and --standard-json are supported.');
  process.exitCode = 2;
}
