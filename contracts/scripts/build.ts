/**
 * Compiles every contract with the pinned solc and writes
 *   contracts/build/<Contract>.json          ABI and bytecode
 *   libs/chain/src/generated/{abi,bytecode}.ts   the same as typed constants, for the clients
 * Fails on any warning and on a contract over the EVM's size limit (EIP-170).
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

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

const sizeLimitBytes = 24_576;
const root = join(import.meta.dirname, '..');
const require = createRequire(import.meta.url);
const solc = require('solc') as Solc;

const sources = Object.fromEntries(
  globSync('src/**/*.sol', { cwd: root })
    .sort()
    .map((file) => [file, { content: readFileSync(join(root, file), 'utf8') }]),
);

const input = {
  language: 'Solidity',
  sources,
  settings: {
    optimizer: { enabled: true, runs: 500 },
    viaIR: true,
    evmVersion: 'cancun',
    metadata: { bytecodeHash: 'none' },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
  },
};

function importFromPackages(path: string): { contents: string } | { error: string } {
  try {
    return { contents: readFileSync(require.resolve(path), 'utf8') };
  } catch (error) {
    return { error: String(error) };
  }
}

const output = JSON.parse(solc.compile(JSON.stringify(input), { import: importFromPackages })) as SolcOutput;
const problems = (output.errors ?? []).filter(
  (error) =>
    error.severity === 'error' || (error.severity === 'warning' && error.sourceLocation?.file.startsWith('@') !== true),
);
if (problems.length > 0) {
  for (const problem of problems) console.error(problem.formattedMessage);
  process.exit(1);
}

const buildFolder = join(root, 'build');
const generatedFolder = join(root, '../libs/chain/src/generated');
mkdirSync(buildFolder, { recursive: true });
mkdirSync(generatedFolder, { recursive: true });

const abis: string[] = [];
const bytecodes: string[] = [];
for (const [file, contracts] of Object.entries(output.contracts)) {
  if (!file.startsWith('src/')) continue;
  for (const [name, { abi, evm }] of Object.entries(contracts)) {
    const bytecode = evm.bytecode.object;
    if (bytecode === '') continue; // an interface
    const size = evm.deployedBytecode.object.length / 2;
    if (size > sizeLimitBytes) {
      console.error(`${name} has ${String(size)} bytes; the EVM allows ${String(sizeLimitBytes)}.`);
      process.exitCode = 1;
    }
    writeFileSync(
      join(buildFolder, `${name}.json`),
      JSON.stringify({ abi, bytecode: `0x${bytecode}`, deployedBytecode: `0x${evm.deployedBytecode.object}` }),
    );
    const constant = name.charAt(0).toLowerCase() + name.slice(1);
    abis.push(`export const ${constant}Abi = ${JSON.stringify(abi)} as const;`);
    bytecodes.push(`export const ${constant}Bytecode = '0x${bytecode}';`);
    console.log(`${name.padEnd(20)} ${String(size).padStart(6)} bytes`);
  }
}
const header = '// Written by contracts/scripts/build.ts; not for editing.\n';
writeFileSync(join(generatedFolder, 'abi.ts'), `${header}${abis.join('\n')}\n`);
writeFileSync(join(generatedFolder, 'bytecode.ts'), `${header}${bytecodes.join('\n')}\n`);
