/**
 * Compiles every contract with the pinned solc and writes
 *   contracts/build/<Contract>.json          ABI and bytecode
 *   libs/chain/src/generated/{abi,bytecode}.ts   the same as typed constants, for the clients
 * Fails on any warning and on a contract over the EVM's size limit (EIP-170).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from './compile.ts';

const sizeLimitBytes = 24_576;
const root = join(import.meta.dirname, '..');
const buildFolder = join(root, 'build');
const generatedFolder = join(root, '../libs/chain/src/generated');
mkdirSync(buildFolder, { recursive: true });
mkdirSync(generatedFolder, { recursive: true });

const abis: string[] = [];
const bytecodes: string[] = [];
for (const { name, abi, bytecode, deployedBytecode } of compile(['src/**/*.sol'])) {
  if (bytecode === '') continue; // an interface
  const size = deployedBytecode.length / 2;
  if (size > sizeLimitBytes) {
    console.error(`${name} has ${String(size)} bytes; the EVM allows ${String(sizeLimitBytes)}.`);
    process.exitCode = 1;
  }
  writeFileSync(
    join(buildFolder, `${name}.json`),
    JSON.stringify({ abi, bytecode: `0x${bytecode}`, deployedBytecode: `0x${deployedBytecode}` }),
  );
  const constant = name.charAt(0).toLowerCase() + name.slice(1);
  abis.push(`export const ${constant}Abi = ${JSON.stringify(abi)} as const;`);
  bytecodes.push(`export const ${constant}Bytecode = '0x${bytecode}';`);
  console.log(`${name.padEnd(20)} ${String(size).padStart(6)} bytes`);
}
const header = '// Written by contracts/scripts/build.ts; not for editing.\n';
writeFileSync(join(generatedFolder, 'abi.ts'), `${header}${abis.join('\n')}\n`);
writeFileSync(join(generatedFolder, 'bytecode.ts'), `${header}${bytecodes.join('\n')}\n`);
