/**
 * npm run tfjs-node
 *
 * Builds @tensorflow/tfjs-node into a cache folder outside of the checkout, for the tests and the benchmarks of exact/1
 * composed on TensorFlow's own library. The package's installer downloads an archive from a server of its own; here its
 * addon is compiled against the C library in the wheel of tensorflow-cpu instead. Everything that is downloaded has a
 * pinned hash: npm's in tfjs-node/package-lock.json, the wheel's below. COTRAIN_TFJS_NODE names another folder.
 *
 * Needs Linux on x86-64, python3 with pip, and a C++ compiler; about 1 GB of disk.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { tensorflowVersion, tfjsNodeAddon, tfjsNodeFolder } from '../src/composed/tfjs-node.ts';

const wheelSha256 = 'ba9503db2c5357ea21938555323581fbdabf3d051b6bc1b5f73c5b0ae034d077';
const lockFolder = join(import.meta.dirname, 'tfjs-node');
const minutes = 60_000;

class BuildError extends Error {
  override readonly name = 'BuildError';
}

/** Runs a command to its end. @throws BuildError with the end of what it said */
function run(command: string, args: readonly string[], cwd: string, timeoutMinutes: number, remedy: string): void {
  const result = spawnSync(command, args, {
    ...{ cwd, encoding: 'utf8', timeout: timeoutMinutes * minutes, maxBuffer: 2 ** 26 },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (result.status === 0) return;
  const isLate = (result.error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT';
  const cause = isLate
    ? `it took more than ${String(timeoutMinutes)} minutes`
    : (result.error?.message ?? `it ended with ${String(result.signal ?? result.status)}`);
  // Nothing was said where the command could not be started.
  const said = [result.stdout, result.stderr]
    .map((text) => (text as string | null) ?? '')
    .join('\n')
    .trim()
    .slice(-2000);
  throw new BuildError(`${[command, ...args.slice(0, 3)].join(' ')} failed: ${cause}. ${remedy}\n${said}`);
}

const compilers = [process.env['CXX'], 'c++', 'g++', 'clang++'].filter((name) => name !== undefined && name !== '');

function findCompiler(): string {
  const found = compilers.find((name) => spawnSync(name as string, ['--version'], { stdio: 'ignore' }).status === 0);
  if (found === undefined)
    throw new BuildError('No C++ compiler was found. Install one (Debian: apt-get install g++), or name it in CXX.');
  return found;
}

/** Takes the library and the headers of its C interface out of the wheel; the rest of it is Python. */
const unpack = `
import glob, re, sys, zipfile
[wheel] = glob.glob(sys.argv[1] + '/*.whl')
wanted = re.compile(r'tensorflow/(include/(tensorflow/(c|core/platform)|tsl/(c|platform))/|libtensorflow_[a-z]+\\.so\\.2$)')
with zipfile.ZipFile(wheel) as archive:
    archive.extractall(sys.argv[2], [name for name in archive.namelist() if wanted.match(name)])
`;

function addLibrary(folder: string): string {
  const wheels = join(folder, 'wheel');
  mkdirSync(wheels);
  writeFileSync(
    join(wheels, 'requirements.txt'),
    `tensorflow-cpu==${tensorflowVersion} --hash=sha256:${wheelSha256}\n`,
  );
  const choice = ['--no-deps', '--only-binary=:all:', '--python-version', '3.10', '--platform', 'manylinux2014_x86_64'];
  run(
    'python3',
    ['-m', 'pip', 'download', '--quiet', '--require-hashes', ...choice, '-r', 'requirements.txt', '-d', '.'],
    ...([wheels, 10, 'It needs pip (Debian: apt-get install python3-pip) and access to a package index.'] as const),
  );
  const unpacked = join(folder, 'unpacked');
  run('python3', ['-c', unpack, wheels, unpacked], folder, 5, 'Is the disk full?');
  const dependencies = join(dirname(dirname(dirname(tfjsNodeAddon(folder)))), 'deps');
  rmSync(dependencies, { recursive: true, force: true });
  mkdirSync(join(dependencies, 'lib'), { recursive: true });
  renameSync(join(unpacked, 'tensorflow', 'include'), join(dependencies, 'include'));
  for (const library of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'])
    renameSync(join(unpacked, 'tensorflow', library), join(dependencies, 'lib', library));
  symlinkSync('libtensorflow_cc.so.2', join(dependencies, 'lib', 'libtensorflow.so'));
  symlinkSync('libtensorflow_framework.so.2', join(dependencies, 'lib', 'libtensorflow_framework.so'));
  rmSync(wheels, { recursive: true });
  rmSync(unpacked, { recursive: true });
  return dependencies;
}

function compileAddon(folder: string, dependencies: string, compiler: string): void {
  const source = dirname(dependencies);
  const addon = tfjsNodeAddon(folder);
  mkdirSync(dirname(addon), { recursive: true });
  run(
    compiler,
    [
      ...['-std=c++17', '-O2', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION'],
      ...[
        `-I${source}`,
        `-I${join(dependencies, 'include')}`,
        `-I${join(folder, 'node_modules/node-api-headers/include')}`,
      ],
      ...['binding/tfjs_backend.cc', 'binding/tfjs_binding.cc', '-o', addon],
      ...[
        `-L${join(dependencies, 'lib')}`,
        '-ltensorflow',
        '-ltensorflow_framework',
        '-Wl,-rpath,$ORIGIN/../../deps/lib',
      ],
    ],
    ...([source, 10, 'The addon of tfjs-node does not compile here.'] as const),
  );
}

function build(target: string): void {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new BuildError(
      `TensorFlow's library is only fetched for Linux on x86-64, and this is ${process.platform} on ${process.arch}. Install @tensorflow/tfjs-node in a folder of your own and name that in COTRAIN_TFJS_NODE.`,
    );
  const compiler = findCompiler();
  mkdirSync(dirname(target), { recursive: true });
  const folder = mkdtempSync(`${target}.partial-`);
  try {
    for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(lockFolder, file), join(folder, file));
    const npm = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    run('npm', npm, folder, 10, 'It needs access to a package registry.');
    compileAddon(folder, addLibrary(folder), compiler);
    run(
      process.execPath,
      [join(import.meta.dirname, 'try-tfjs-node.ts'), folder],
      folder,
      5,
      'The addon does not run.',
    );
    try {
      renameSync(folder, target);
    } catch (error) {
      if (existsSync(tfjsNodeAddon(target))) return; // somebody else was faster
      throw new BuildError(`${target} is in the way: it holds no tfjs-node. Remove it. (${String(error)})`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const target = tfjsNodeFolder();
if (existsSync(tfjsNodeAddon(target))) {
  console.log(`tfjs-node is at ${target}`);
} else {
  try {
    build(target);
    console.log(`tfjs-node was built at ${target}`);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    process.stderr.write(`tfjs-node could not be built. ${error.message}\n`);
    process.exitCode = 1;
  }
}
