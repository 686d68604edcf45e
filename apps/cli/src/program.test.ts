import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { rejectionReasons } from '@cotrain/matching';
import { createProgram } from './program.ts';
import { commandReference, referenceStart } from './reference.ts';

function leaves(command: Command, path: string[] = []): { name: string; command: Command }[] {
  return command.commands.flatMap((child) =>
    child.commands.length > 0
      ? leaves(child, [...path, child.name()])
      : [{ name: [...path, child.name()].join(' '), command: child }],
  );
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (piece) => (text += piece), writeErr: (piece) => (text += piece) });
  command.outputHelp();
  return text;
}

const commands = leaves(createProgram());

it('has the commands that the documentation names', () => {
  expect(commands.map(({ name }) => name)).toEqual([
    'up',
    'down',
    'status',
    'dataset push',
    'offer create',
    'offer fund',
    'offer cancel',
    'offer claim',
    'offer challenge',
    'offer show',
    'offer list',
    'offer receipt',
    'withdraw',
    'pool register',
    'pool run',
    'pool list',
    'pool pause',
    'pool resume',
    'stake show',
    'stake deposit',
    'stake unbond',
    'stake withdraw',
    'validator join',
    'validator leave',
    'validator withdraw',
    'validator show',
    'job watch',
    'job log',
    'verify',
    'program derive',
    'program show',
    'program diff',
    'program validate',
    'demo',
  ]);
});

describe.each(commands)('cotrain $name', ({ name, command }) => {
  it('has a description, an example and --json', () => {
    const help = helpOf(command);
    expect(command.description()).not.toBe('');
    expect(help).toMatch(/Examples?:\n {2}\$ /);
    expect(help).toContain(`cotrain ${name}`);
    expect(command.options.some(({ long }) => long === '--json')).toBe(true);
  });

  it('takes no key and no secret as a flag or argument', () => {
    const flags = command.options.map(({ long }) => long ?? '');
    expect(flags.filter((flag) => /private|secret|mnemonic|password|token$/.test(flag) && flag !== '--token')).toEqual(
      [],
    );
  });
});

it('has every reason of a match receipt explained in the documentation', () => {
  const documentation = readFileSync(join(import.meta.dirname, '../../../docs/cli.md'), 'utf8');
  expect([...documentation.matchAll(/^\| `([A-Z_]+)` /gm)].map(([, reason]) => reason)).toEqual(
    expect.arrayContaining([...rejectionReasons]),
  );
});

it('is documented as it is; `node apps/cli/scripts/write-reference.ts` writes the documentation', () => {
  const documentation = readFileSync(join(import.meta.dirname, '../../../docs/cli.md'), 'utf8');
  expect(documentation.slice(documentation.indexOf(referenceStart))).toBe(commandReference(createProgram()));
});
