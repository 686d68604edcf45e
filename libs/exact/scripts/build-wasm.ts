/**
 * Compiles assembly/ to dist/kernels/*.wasm: without SIMD, with SIMD, with relaxed SIMD; each for shared memory (threads)
 * and for memory of its own, where a machine has no threads.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as asc from 'assemblyscript/asc';
import binaryen from 'assemblyscript/binaryen';

const folder = join(import.meta.dirname, '..');
const outputFolder = join(folder, 'dist', 'kernels');
const largestMemoryPages = 65_536;

/** What every engine has that has WebAssembly's second version. */
const basis = [
  binaryen.Features.MutableGlobals,
  binaryen.Features.SignExt,
  binaryen.Features.NontrappingFPToInt,
  binaryen.Features.BulkMemory,
  binaryen.Features.BulkMemoryOpt,
];
const featureBits = {
  threads: binaryen.Features.Atomics,
  simd: binaryen.Features.SIMD128,
  'relaxed-simd': binaryen.Features.RelaxedSIMD,
};
type Feature = keyof typeof featureBits;

const variants: Record<string, readonly Feature[]> = {
  'scalar-threads': ['threads'],
  'simd-threads': ['threads', 'simd'],
  'relaxed-threads': ['threads', 'simd', 'relaxed-simd'],
  scalar: [],
  simd: ['simd'],
  relaxed: ['simd', 'relaxed-simd'],
};

async function compile(features: readonly Feature[]): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const shared = features.includes('threads');
  const { error, stderr } = await asc.main(
    [
      'index.ts',
      ...['--baseDir', join(folder, 'assembly')],
      ...['--outFile', 'kernels.wasm'],
      ...['--runtime', 'stub'],
      '--noAssert',
      '--importMemory',
      ...['--maximumMemory', String(largestMemoryPages)],
      ...(shared ? ['--sharedMemory'] : []),
      ...(features.includes('simd') ? [] : ['--disable', 'simd']),
      ...features.flatMap((feature) => ['--enable', feature]),
      ...['--disableWarning', '112'], // vectors in signatures: they never leave the module
    ],
    {
      writeFile: (_name, contents) => {
        binary = contents as Uint8Array;
      },
    },
  );
  if (error || binary === undefined) throw new Error(`AssemblyScript: ${error?.message ?? ''}\n${stderr.toString()}`);
  return binary;
}

/** The lanes' small functions must be inlined everywhere, which the compiler's own levels leave out. */
function optimise(binary: Uint8Array, features: readonly Feature[]): Uint8Array {
  const module = binaryen.readBinary(binary);
  let bits = binaryen.Features.MVP;
  for (const bit of [...basis, ...features.map((feature) => featureBits[feature])]) bits |= bit;
  module.setFeatures(bits);
  binaryen.setOptimizeLevel(3);
  binaryen.setShrinkLevel(0);
  binaryen.setAlwaysInlineMaxSize(120);
  binaryen.setFlexibleInlineMaxSize(200);
  binaryen.setOneCallerInlineMaxSize(2000);
  module.optimize();
  const optimised = module.emitBinary();
  module.dispose();
  return optimised;
}

mkdirSync(outputFolder, { recursive: true });
for (const [name, features] of Object.entries(variants))
  writeFileSync(join(outputFolder, `${name}.wasm`), optimise(await compile(features), features));
