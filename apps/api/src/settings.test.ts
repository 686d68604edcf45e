import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { InvalidSettingsError, readSettings, type Settings, settingsHelp, settingsTable } from './settings.ts';

describe('settings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cotrain-settings-'));
  const tokenFile = join(folder, 'token');
  const deploymentFile = join(folder, '31337.json');
  let good: Record<string, string>;

  beforeAll(() => {
    writeFileSync(tokenFile, 'a-long-random-token-of-the-signer\n', { mode: 0o600 });
    const contract = `0x${'11'.repeat(20)}`;
    writeFileSync(
      deploymentFile,
      JSON.stringify({
        chainId: 31_337,
        market: contract,
        registry: contract,
        quorum: contract,
        verifiers: { SAMPLED: contract },
        deployedAtBlock: 1,
      }),
    );
    good = {
      API_RPC_URL: 'http://127.0.0.1:8545',
      API_DEPLOYMENT_FILE: deploymentFile,
      API_SWARM_URL: 'http://127.0.0.1:1633',
      API_SIGNER_URL: 'http://127.0.0.1:4100',
      API_SIGNER_TOKEN_FILE: tokenFile,
      API_WORK_FOLDER: folder,
      API_TRAINER_COMMAND: '["node", "trainer.js"]',
    };
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const problems = (changes: Record<string, string | undefined>): readonly string[] => {
    try {
      readSettings({ ...good, ...changes });
      return [];
    } catch (error) {
      if (error instanceof InvalidSettingsError) return error.problems;
      throw error;
    }
  };

  test('have defaults; what is set is parsed, and its files are read', () => {
    const settings: Settings = readSettings({
      ...good,
      API_PORT: '0',
      API_WEB_ORIGINS: 'https://a.example.org, https://b.example.org',
      API_VALIDATORS: `0x${'ab'.repeat(20)}`,
      API_KEEPER: '',
    });
    expect(settings).toMatchObject({
      API_HOST: '127.0.0.1',
      API_PORT: 0,
      API_AWARD_CONFIRMATIONS: 2,
      API_WEB_ORIGINS: ['https://a.example.org', 'https://b.example.org'],
      API_TRAINER_COMMAND: ['node', 'trainer.js'],
      signerToken: 'a-long-random-token-of-the-signer',
      deployment: { chainId: 31_337 },
    });
    expect(settings.API_VALIDATORS[0]).toMatch(/^0x[0-9a-fA-F]{40}$/);
    expect(settings.API_KEEPER).toBeUndefined();
  });

  test('name all that is missing at once', () => {
    const missing = Object.keys(good);
    const told = problems(Object.fromEntries(missing.map((name) => [name, undefined])));
    expect(told).toHaveLength(missing.length);
    for (const name of missing) expect(told.some((problem) => problem.startsWith(`${name} is missing`))).toBe(true);
  });

  test.each([
    ['API_RPC_URL', 'localhost:8545', 'http://'],
    ['API_PORT', '70000', '0 to 65535'],
    ['API_PORT', '80.5', '0 to 65535'],
    ['API_PUBLIC_URL', 'https://api.example.org/graphql', 'without a path'],
    ['API_WEB_ORIGINS', 'https://a.example.org,nonsense', 'https://HOST'],
    ['API_VALIDATORS', '0x12', '0x addresses'],
    ['API_TRAINER_COMMAND', 'node trainer.js', '["node"'],
    ['API_TRAINER_COMMAND', '[]', '["node"'],
    ['API_INTROSPECTION', 'yes', 'true or false'],
    ['LOG_LEVEL', 'verbose', 'debug, info or warn'],
    ['DATABASE_URL', 'mysql://localhost', 'postgresql://'],
  ])('name %s=%s with a remedy', (name, value, remedy) => {
    const [problem, ...others] = problems({ [name]: value });
    expect(others).toEqual([]);
    expect(problem).toMatch(new RegExp(`^${name} (is|has)`));
    expect(problem).toContain(remedy);
  });

  test('give a pool a trainer command of its own', () => {
    const own = '{"fast": ["node", "other.js"]}';
    expect(readSettings({ ...good, API_POOL_TRAINER_COMMANDS: own }).API_POOL_TRAINER_COMMANDS).toEqual({
      fast: ['node', 'other.js'],
    });
    expect(readSettings(good).API_POOL_TRAINER_COMMANDS).toEqual({});
    for (const wrong of ['["node"]', '{"fast": "node"}', '{"fast": []}', '{'])
      expect(problems({ API_POOL_TRAINER_COMMANDS: wrong })[0]).toMatch(/^API_POOL_TRAINER_COMMANDS is .*POOL/);
  });

  test('show no secret in what they complain about', () => {
    const told = [
      ...problems({ DATABASE_URL: 'http://user:hunter2@host' }),
      ...problems({ API_RPC_URL: 'ftp://node.example.org/hunter2' }),
    ];
    expect(told).toHaveLength(2);
    expect(told.join()).not.toContain('hunter2');
  });

  test('refuse a token that others can read, and one that is too short', () => {
    chmodSync(tokenFile, 0o644);
    expect(problems({})[0]).toMatch(/^API_SIGNER_TOKEN_FILE .*mode 644.*chmod 600/);
    chmodSync(tokenFile, 0o600);
    const short = join(folder, 'short');
    writeFileSync(short, 'secret', { mode: 0o600 });
    expect(problems({ API_SIGNER_TOKEN_FILE: short })[0]).toContain('fewer than 16 characters');
  });

  test('refuse a deployment that is none', () => {
    const broken = join(folder, 'broken.json');
    writeFileSync(broken, '{"chainId": 1}');
    expect(problems({ API_DEPLOYMENT_FILE: broken })[0]).toMatch(/^API_DEPLOYMENT_FILE .*market/);
    expect(problems({ API_DEPLOYMENT_FILE: join(folder, 'none.json') })[0]).toContain('no such file');
  });

  test('are all explained, in the help and in docs/operating.md', () => {
    const documentation = readFileSync(join(import.meta.dirname, '../../../docs/operating.md'), 'utf8');
    for (const name of Object.keys(settingsTable)) {
      expect(settingsHelp()).toContain(name);
      expect(documentation).toContain(`\`${name}\``);
    }
  });
});
