import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ESLint, Linter } from 'eslint';
import tseslint from 'typescript-eslint';
import { moduleBoundaries } from '../../tools/module-boundaries.ts';

// What lint says of an import, by the file that it stands in.

const root = join(import.meta.dirname, '../..');
const linter = new Linter({ cwd: root });
const rule = moduleBoundaries(root);

/** What the rule complains about in a file of the repository that would hold this code. */
function complaints(file: string, code: string): string[] {
  const config: Linter.Config = {
    files: ['**/*.ts'],
    languageOptions: { parser: tseslint.parser as Linter.Parser },
    plugins: { cotrain: { rules: { boundaries: rule } } },
    rules: { 'cotrain/boundaries': 'error' },
  };
  return linter.verify(code, [config], { filename: join(root, file) }).map(({ message }) => message);
}

const cli = 'apps/cli/src/commands/some-command.ts';

describe('an import of an app', () => {
  it.each([
    ["import { startApi } from '@cotrain/api';"],
    ["import type { Api } from '@cotrain/api';"],
    ["import '@cotrain/api/testing';"],
    ["export { startApi } from '@cotrain/api';"],
    ["export * from '@cotrain/api/main.js';"],
    ["const api = await import('@cotrain/api');"],
    ['const api = await import(`@cotrain/api`);'],
    ["type Api = import('@cotrain/api').Api;"],
    ["import api = require('@cotrain/api');"],
    ["const api = require('@cotrain/api');"],
  ])('by another app is refused: %s', (code) => {
    expect(complaints(cli, code)).toEqual([
      '@cotrain/api is an app, and no import points to one: move what is shared to a library.',
    ]);
  });

  it('by a library is refused', () => {
    expect(complaints('libs/swarm/src/serve.ts', "import { runDemo } from '@cotrain/cli';")).toEqual([
      '@cotrain/cli is an app, and no import points to one: move what is shared to a library.',
    ]);
  });

  it('is for the tests of all of it, by what the app exports', () => {
    expect(complaints('test/e2e/demo.test.ts', "import { runDemo } from '@cotrain/cli';")).toEqual([]);
    expect(complaints('test/bench/bidding.ts', "import { LocalMarket } from '@cotrain/api/testing';")).toEqual([]);
    expect(complaints('test/bench/bidding.ts', "import { Bidder } from '@cotrain/api/bidding/bidder.js';")).toEqual([
      '@cotrain/api does not export ./bidding/bidder.js.',
    ]);
  });
});

describe('an app that is started', () => {
  it.each(['@cotrain/api/main.js', '@cotrain/api/signer/main.js', '@cotrain/trainer/main.js'])(
    'is named by its program: %s',
    (program) => {
      expect(complaints(cli, `const main = require.resolve('${program}');`)).toEqual([]);
      expect(complaints(cli, `const main = createRequire(import.meta.url).resolve('${program}');`)).toEqual([]);
      expect(complaints(cli, `const main = import.meta.resolve('${program}');`)).toEqual([]);
    },
  );

  it('is named by nothing else', () => {
    expect(complaints(cli, "const inside = require.resolve('@cotrain/api/testing');")).toEqual([
      '@cotrain/api/testing is no program of @cotrain/api: an app names another one only to start what its package.json has under "bin".',
    ]);
  });

  it('is not started by a library', () => {
    expect(complaints('libs/chain/src/anvil.ts', "require.resolve('@cotrain/api/main.js');")).toEqual([
      '@cotrain/chain is a library: it does not start the app @cotrain/api.',
    ]);
  });
});

describe('a relative import', () => {
  it.each([
    [cli, '../../../api/src/start-api.ts', 'apps/api'],
    [cli, '../../../../libs/swarm/src/swarm-client.ts', 'libs/swarm'],
    ['libs/chain/src/index.ts', '../../protocol/src/index.ts', 'libs/protocol'],
    ['apps/api/test/api-stack.ts', '../../../libs/chain/test/chain-fixture.ts', 'libs/chain'],
    ['test/bench/indexer.ts', '../../apps/api/dist/database/database.js', 'apps/api'],
    ['test/bench/exact.ts', '../../libs/exact/src/kernels.ts', 'libs/exact'],
    ['tools/test.ts', '../libs/protocol/src/index.ts', 'libs/protocol'],
  ])('of %s does not reach into another project: %s', (file, specifier, folder) => {
    for (const code of [
      `import '${specifier}';`,
      `type T = import('${specifier}').T;`,
      `await import('${specifier}');`,
    ])
      expect(complaints(file, code)).toEqual([
        `${specifier} reaches into ${folder}: import what it exports, @cotrain/${folder.split('/')[1] ?? ''}, by name.`,
      ]);
  });

  it('within a project is free', () => {
    expect(complaints(cli, "import '../client/errors.ts'; import '../../test/run-cli.ts';")).toEqual([]);
    expect(complaints('test/bench/exact.ts', "import './bench-row.ts';")).toEqual([]);
    expect(complaints('libs/swarm/jest.config.ts', "import '../../tools/jest.config.js';")).toEqual([]);
  });
});

describe('an import of a library', () => {
  it('needs its name in the dependencies of the project', () => {
    expect(complaints(cli, "import { replayReceipt } from '@cotrain/matching';")).toEqual([]);
    expect(complaints('libs/protocol/src/index.ts', "import { SwarmClient } from '@cotrain/swarm';")).toEqual([
      '@cotrain/protocol does not name @cotrain/swarm in its package.json (nx.implicitDependencies).',
    ]);
  });

  it('takes what the library exports', () => {
    expect(complaints(cli, "import { Swarm } from '@cotrain/swarm/dist/store/server.js';")).toEqual([
      '@cotrain/swarm does not export ./dist/store/server.js.',
    ]);
  });

  it('leaves what is for tests to tests', () => {
    const code = "import { ModelChain } from '@cotrain/chain/testing';";
    expect(complaints('apps/api/src/main.ts', code)).toEqual([
      '@cotrain/chain/testing is for tests, benchmarks and the demo.',
    ]);
    expect(complaints('apps/api/src/signer/sql-intent-store.test.ts', code)).toEqual([]);
    expect(complaints('apps/api/test/sql-intent-store.test.ts', code)).toEqual([]);
  });
});

it('lint has the rule on for every file', async () => {
  const eslint = new ESLint({ cwd: root });
  for (const file of [
    cli,
    'libs/swarm/src/index.ts',
    'apps/api/test/main.test.ts',
    'test/bench/run.ts',
    'tools/test.ts',
  ]) {
    const config = (await eslint.calculateConfigForFile(join(root, file))) as Linter.Config;
    expect([file, config.rules?.['cotrain/boundaries']]).toEqual([file, [2]]);
  }
});
