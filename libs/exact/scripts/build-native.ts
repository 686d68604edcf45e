/**
 * Compiles native/ to dist/native/exact.node where a C++ compiler exists. The library works without it, so nothing here
 * fails the build but an error in our own source.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '..');
const output = join(folder, 'dist', 'native', 'exact.node');
const { include_dir: headers } = createRequire(import.meta.url)('node-api-headers') as { include_dir: string };

/** Also what CXX names, if it does. */
const compilers = [process.env['CXX'], 'c++', 'g++', 'clang++'].filter((name) => name !== undefined && name !== '');
const compiler = compilers.find((name) => spawnSync(name as string, ['--version'], { stdio: 'ignore' }).status === 0);

rmSync(output, { force: true });
if (process.platform === 'win32') {
  console.log('The native kernels are not built on Windows; the WebAssembly kernels are complete without them.');
} else if (compiler === undefined) {
  console.log(
    'No C++ compiler was found: the native kernels are left out; the WebAssembly kernels are complete without them.',
  );
} else {
  mkdirSync(join(folder, 'dist', 'native'), { recursive: true });
  const unfinished = `${output}.${String(process.pid)}`;
  const result = spawnSync(
    compiler,
    [
      ...['-std=c++17', '-O3', '-fPIC', '-shared', '-pthread', '-fvisibility=hidden', '-Wall', '-Wextra'],
      '-ffp-contract=off', // a multiplication and an addition are never fused
      ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
      `-I${headers}`,
      ...globSync('native/*.cpp', { cwd: folder }).sort(),
      ...['-o', unfinished],
    ],
    { cwd: folder, encoding: 'utf8' },
  );
  if (result.status !== 0) {
    rmSync(unfinished, { force: true });
    throw new Error(`${compiler} failed:\n${result.stderr}`);
  }
  renameSync(unfinished, output); // a process that has the old one mapped keeps it
}
