/** Writes the help of every command into docs/cli.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createProgram } from '../dist/program.js';
import { commandReference, referenceStart } from '../dist/reference.js';

const file = join(import.meta.dirname, '../../../docs/cli.md');
const [written = ''] = readFileSync(file, 'utf8').split(referenceStart);
writeFileSync(file, written + commandReference(createProgram()));
