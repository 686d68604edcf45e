/** The one way in which the project's contracts are compiled: the pinned solc and its settings. */
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export interface CompiledContract {
  /** Path of the source below `contracts/`. */
  file: string;
  name: string;
  abi: unknown[];
  /** Hexadecimal digits without 0x; empty for an interface. */
  bytecode: string;
  deployedBytecode: string;
}

interface SolcOutput {
  errors?: { severity: string; formattedMessage: string; sourceLocation?: { file: string } }[];
  contracts: Record<
    string,
    Record<string, { abi: unknown[]; evm: { bytecode: { object: string }; deployedBytecode: { object: string } } }>
  >;
}
interface Solc {
  compile(input: string, callbacks: { import: (path: string) => { contents: string } | { error: string } }): string;
}

/** Errors and warnings of the compiler, as it formats them. Warnings in packages are left out. */
export class CompilationError extends Error {
  override readonly name = 'CompilationError';
}

const root = join(import.meta.dirname, '..');
const require = createRequire(import.meta.url);

/**
 * Compiles every source that the patterns match, with what these import.
 * @param patterns of paths below `contracts/`
 * @throws CompilationError on an error, and on a warning in a source of ours
 */
export function compile(patterns: readonly string[]): CompiledContract[] {
  const solc = require('solc') as Solc;
  const files = patterns.flatMap((pattern) => globSync(pattern, { cwd: root })).sort();
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(files.map((file) => [file, { content: readFileSync(join(root, file), 'utf8') }])),
    settings: {
      optimizer: { enabled: true, runs: 500 },
      viaIR: true,
      evmVersion: 'cancun',
      metadata: { bytecodeHash: 'none' },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: importSource })) as SolcOutput;
  const problems = (output.errors ?? []).filter(
    (error) =>
      error.severity === 'error' ||
      (error.severity === 'warning' && error.sourceLocation?.file.startsWith('@') !== true),
  );
  if (problems.length > 0) throw new CompilationError(problems.map((each) => each.formattedMessage).join('\n'));
  return Object.entries(output.contracts)
    .filter(([file]) => files.includes(file))
    .flatMap(([file, contracts]) =>
      Object.entries(contracts).map(([name, { abi, evm }]) => ({
        file,
        name,
        abi,
        bytecode: evm.bytecode.object,
        deployedBytecode: evm.deployedBytecode.object,
      })),
    );
}

/** A source of a package, or one of ours that a compiled one imports. */
function importSource(path: string): { contents: string } | { error: string } {
  try {
    return { contents: readFileSync(path.startsWith('@') ? require.resolve(path) : join(root, path), 'utf8') };
  } catch (error) {
    return { error: String(error) };
  }
}
