import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type Anvil,
  loadDeployment,
  readContract,
  sampledQuorumAbi,
  startAnvil,
  trainingMarketAbi,
} from '@cotrain/chain';
import { encryptKeystoreJson, JsonRpcProvider, Wallet } from 'ethers';
import { parseParameters } from './deployment-parameters.ts';

let anvil: Anvil;
let folder: string;
const at = (name: string): string => join(folder, name);

before(async () => {
  anvil = await startAnvil({ chainId: 4_242 });
  folder = await mkdtemp(join(tmpdir(), 'cotrain-deploy-'));
  await writeFile(at('key'), `${anvil.accounts[0]?.privateKey ?? ''}\n`, { mode: 0o600 });
});
after(async () => {
  await anvil.close();
  await rm(folder, { recursive: true, force: true });
});

async function deploy(
  args: string[],
  env: Record<string, string | undefined> = {},
): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'deploy.ts'), '--folder', at('out'), ...args], {
    env: { ...process.env, COTRAIN_RPC_URL: anvil.rpcUrl, COTRAIN_DEPLOYER_KEY_FILE: at('key'), ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      resolve(status ?? 1);
    });
  });
  const secret = anvil.accounts[0]?.privateKey.slice(2) ?? '';
  assert.ok(!output.includes(secret), 'the key was printed');
  return { code, output };
}

void test('an operator deploys, is refused a second time, and replaces on purpose', async () => {
  const owner = anvil.accounts[5]?.address ?? '';
  await writeFile(at('parameters.json'), JSON.stringify({ owner, quorumSize: 7, challengeBondWei: '123' }));

  const dry = await deploy(['--dry-run', '--parameters', at('parameters.json')]);
  assert.equal(dry.code, 0, dry.output);
  assert.match(dry.output, /quorumSize 7[\s\S]*nothing was sent/);
  await assert.rejects(loadDeployment(at('out'), 4_242));

  const first = await deploy(['--parameters', at('parameters.json'), '--chain-id', '4242']);
  assert.equal(first.code, 0, first.output);
  const deployment = await loadDeployment(at('out'), 4_242);
  const provider = new JsonRpcProvider(anvil.rpcUrl);
  try {
    const { market, quorum, registry } = deployment;
    const size = await readContract(provider, {
      abi: sampledQuorumAbi,
      address: quorum,
      functionName: 'quorumSize',
      args: [],
    });
    assert.equal(Number(size), 7);
    for (const address of [market, registry]) {
      const pending = await readContract(provider, {
        abi: trainingMarketAbi,
        address,
        functionName: 'pendingOwner',
        args: [],
      });
      assert.equal(pending.toLowerCase(), owner.toLowerCase());
    }
  } finally {
    provider.destroy();
  }

  const second = await deploy([]);
  assert.equal(second.code, 1);
  assert.match(second.output, /exists: pass --replace/);
  assert.deepEqual(await loadDeployment(at('out'), 4_242), deployment);

  const replaced = await deploy(['--replace']);
  assert.equal(replaced.code, 0, replaced.output);
  assert.notEqual((await loadDeployment(at('out'), 4_242)).market, deployment.market);
  const kept = (await readdir(at('out'))).find((name) => name.endsWith('.old'));
  assert.ok(kept !== undefined && (await readFile(join(at('out'), kept), 'utf8')).includes(deployment.market));
});

void test('an encrypted keystore is used with its password, and only with it', async () => {
  const wallet = new Wallet(anvil.accounts[1]?.privateKey ?? '');
  await writeFile(at('keystore'), await encryptKeystoreJson(wallet, 'a long password', { scrypt: { N: 1_024 } }), {
    mode: 0o600,
  });
  await writeFile(at('password'), 'a long password\n', { mode: 0o600 });
  await writeFile(at('wrong'), 'another\n', { mode: 0o600 });
  const env = { COTRAIN_DEPLOYER_KEY_FILE: at('keystore'), COTRAIN_DEPLOYER_PASSWORD_FILE: at('password') };
  const right = await deploy(['--dry-run', '--replace'], env);
  assert.equal(right.code, 0, right.output);
  assert.match(right.output, new RegExp(wallet.address));
  const wrong = await deploy(['--dry-run', '--replace'], { ...env, COTRAIN_DEPLOYER_PASSWORD_FILE: at('wrong') });
  assert.equal(wrong.code, 2);
  assert.match(wrong.output, /cannot be decrypted/);
  const none = await deploy(['--dry-run', '--replace'], { ...env, COTRAIN_DEPLOYER_PASSWORD_FILE: undefined });
  assert.match(none.output, /set COTRAIN_DEPLOYER_PASSWORD_FILE/);
});

void test('--help says what there is, without a key or a chain', async () => {
  const { code, output } = await deploy(['--help'], { COTRAIN_RPC_URL: '', COTRAIN_DEPLOYER_KEY_FILE: '' });
  assert.equal(code, 0, output);
  assert.match(output, /--parameters FILE[\s\S]*COTRAIN_DEPLOYER_PASSWORD_FILE/);
});

void test('a wrong setting is named before anything is sent', async () => {
  const cases: [RegExp, string[], Record<string, string | undefined>, code?: number][] = [
    [/COTRAIN_RPC_URL is not set/, [], { COTRAIN_RPC_URL: '' }],
    [/COTRAIN_DEPLOYER_KEY_FILE is not set/, [], { COTRAIN_DEPLOYER_KEY_FILE: undefined }],
    [/There is no file .*missing\./, [], { COTRAIN_DEPLOYER_KEY_FILE: at('missing') }],
    [/on chain 4242, not on 1\./, ['--chain-id', '1'], {}, 1],
    [/Unknown option '--force'/, ['--force'], {}],
    [/There is no file .*gone\.json/, ['--parameters', at('gone.json')], {}],
  ];
  for (const [expected, args, env, expectedCode = 2] of cases) {
    const { code, output } = await deploy(['--dry-run', '--replace', ...args], env);
    assert.equal(code, expectedCode, output);
    assert.match(output, expected);
    assert.doesNotMatch(output, /Error:/);
  }
  await writeFile(at('open'), anvil.accounts[0]?.privateKey ?? '');
  await chmod(at('open'), 0o644);
  const open = await deploy(['--dry-run'], { COTRAIN_DEPLOYER_KEY_FILE: at('open') });
  assert.match(open.output, /can be read by others \(mode 644\): chmod 600/);
  await writeFile(at('nonsense'), 'not a key', { mode: 0o600 });
  const nonsense = await deploy(['--dry-run'], { COTRAIN_DEPLOYER_KEY_FILE: at('nonsense') });
  assert.match(nonsense.output, /neither a private key/);
  await writeFile(at('poor'), Wallet.createRandom().privateKey, { mode: 0o600 });
  const poor = await deploy(['--replace'], { COTRAIN_DEPLOYER_KEY_FILE: at('poor') });
  assert.match(poor.output, /no ETH for gas/);
});

void test('parameters are refused by name', () => {
  const cases: [unknown, RegExp][] = [
    [{ quorumSize: 17 }, /quorumSize/],
    [{ drawCount: 0 }, /drawCount/],
    [{ challengeBondWei: 5 }, /challengeBondWei/],
    [{ challengeBondWei: '-5' }, /challengeBondWei: must be wei as a string of digits/],
    [{ owner: 'me' }, /owner: must be an address/],
    [{ quorumsize: 3 }, /quorumsize/],
    [[], /file/],
  ];
  for (const [value, expected] of cases)
    assert.throws(() => parseParameters(value, 'file'), { name: 'ParametersError', message: expected });
  assert.deepEqual(parseParameters({ commitWindow: 60, unbondingSeconds: 5 }, 'file'), {
    owner: null,
    contracts: { commitWindow: 60, unbondingSeconds: 5n },
  });
});
