import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Program, programFormat } from '@cotrain/protocol';

/** A Program from the examples directory. */
export function exampleProgram(name: 'mnist-mlp' | 'tiny-gpt'): Program {
  return programFormat.validate(
    JSON.parse(readFileSync(join(import.meta.dirname, `../../examples/${name}.program.json`), 'utf8')),
  );
}
