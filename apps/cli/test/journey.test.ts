import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseHeaderJson } from '@cotrain/protocol';
import { JsonRpcProvider, parseEther } from 'ethers';
import { ApiClient } from '../src/client/api-client.ts';
import { HostileTrainer } from './hostile-trainer.ts';
import { collect, cotrain, type Ended, LocalStack, scratchFolder, start, writePoints } from './run-cli.ts';
import { TamperingApi } from './tampering-api.ts';

// One user's whole way through the command line, in processes of their own, on one local stack. The tests build on
// each other, as the commands do.

const scratch = scratchFolder();
let stack: LocalStack;
let files: { csv: string; program: string };
let manifest = '';

interface Offer {
  id: number;
  state: string;
  trainer: string | null;
  header: Record<string, string | number>;
  payers: { paidWei: string | null; refundedWei: string | null }[];
  rounds: { verdict: string | null }[];
  refundableWei: string;
  paidWei: string;
}

interface Receipt {
  chosen: object;
  inputs: object;
}

beforeAll(async () => {
  stack = await LocalStack.up(join(scratch.path, 'stack'));
  files = writePoints(scratch.path);
}, 120_000);
afterAll(async () => {
  await stack.stop();
  scratch.remove();
}, 60_000);

const tinyJob = (): string[] => [
  ...['--program', files.program, '--dataset', manifest, '--test-split', 'test', '--batch-size', '16'],
  ...['--steps', '60', '--commit-every', '10', '--gpu-seconds', '60', '--reward', '1', '--challenge-window', '2'],
];

async function createOffer(name: string, ...flags: string[]): Promise<number> {
  const { offerId } = await stack.json<{ offerId: number }>(
    ...['offer', 'create', '--name', name, ...tinyJob(), ...flags],
    ...['--key-file', stack.key('payer-1')],
  );
  return offerId;
}

describe('the stack', () => {
  it('says that it is ready', async () => {
    const { code, stdout } = await stack.run('status');
    expect(code).toBe(0);
    expect(stdout).toContain(stack.ready.graphqlUrl);
    expect(await stack.json('status')).toMatchObject({ ready: true, graphqlUrl: stack.ready.graphqlUrl });
  });

  it('is not started twice on a folder', async () => {
    const { code, stderr } = await cotrain(['up', '--port', '0', '--dir', stack.dir]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/runs on .* already/);
  });

  it('names the port that another program has', async () => {
    const { port } = new URL(stack.ready.graphqlUrl);
    const { code, stderr } = await cotrain(['up', '--port', port, '--dir', join(scratch.path, 'second')]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `Port ${port} is taken by another program. Give another one with --port.\n`,
    });
  }, 60_000);
});

describe('dataset push', () => {
  it('packs a CSV file, with the same reference when it is repeated', async () => {
    const push = (): Promise<{ manifestReference: string; manifest: { splits: object } }> =>
      stack.json(
        ...['dataset', 'push', '--name', 'points', '--license', 'CC0-1.0', '--target', 'above'],
        ...['--split', `train=${files.csv}`, '--split', `test=${files.csv}`],
      );
    const first = await push();
    expect(first.manifest.splits).toMatchObject({ train: { rows: 400, rowBytes: 12 }, test: { rows: 400 } });
    expect((await push()).manifestReference).toBe(first.manifestReference);
    manifest = first.manifestReference;
  });

  it('shows lines for a person on request, and nothing but the result on standard output', async () => {
    const { code, stdout } = await stack.run(
      ...[
        'dataset',
        'push',
        '--name',
        'points',
        '--license',
        'MIT',
        '--target',
        'above',
        '--split',
        `all=${files.csv}`,
      ],
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^all {6}400 rows of 12 bytes, 0x[0-9a-f]{64}\nmanifest 0x[0-9a-f]{64}\n$/);
  });

  it('names line, column and value of a bad row', async () => {
    const bad = join(scratch.path, 'bad.csv');
    writeFileSync(bad, 'a,b,above\n1,2,0\n1,high,1\n');
    const { code, stdout, stderr } = await stack.run(
      ...[
        'dataset',
        'push',
        '--name',
        'x',
        '--license',
        'MIT',
        '--target',
        'above',
        '--split',
        `train=${bad}`,
        '--json',
      ],
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`${bad}, line 3: column b is "high", which is no float32`);
  });
});

describe('an offer that three people pay for', () => {
  const payers = ['payer-1', 'payer-2', 'payer-3'];
  let id = 0;

  it('is opened, and funded by each with his share', async () => {
    await stack.json(
      ...['pool', 'register', '--name', 'honest', '--floor-price', '6', '--stake', '3'],
      ...['--hours', 'daily@00:00+1440@UTC', '--key-file', stack.key('pool-1')],
    );
    id = await createOffer(
      'points',
      ...['--bid-window', '5'],
      ...payers.flatMap((name, index) => ['--payer', `${stack.wallet(name).address}=${String(5 - index)}`]),
    );
    for (const name of payers) {
      const paid = await stack.json<{ valueWei: string }>('offer', 'fund', String(id), '--key-file', stack.key(name));
      expect(BigInt(paid.valueWei)).toBeGreaterThan(0n);
    }
    expect(await stack.json<Offer[]>('offer', 'list')).toMatchObject([{ id }]);
  }, 60_000);

  it('is followed to its end, one JSON line for each change', async () => {
    const { code, stdout } = await stack.run('job', 'watch', String(id), '--json');
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { offerState: string; job: { state: string; testAccuracy: number } | null });
    expect(code).toBe(0);
    expect(lines.at(-1)).toMatchObject({ offerState: 'Paid', job: { state: 'Done' } });
    expect(lines.at(-1)?.job?.testAccuracy).toBeGreaterThan(0.8);
    expect(new Set(stdout.trim().split('\n')).size).toBe(lines.length);
  }, 390_000);

  it('is shown as paid', async () => {
    const offer = await stack.json<Offer>('offer', 'show', String(id));
    expect(offer.state).toBe('Paid');
    // What the validators did not earn of their fee comes back with the surplus.
    const settledWei = BigInt(offer.paidWei) + BigInt(offer.refundableWei);
    expect(settledWei >= parseEther('1') && settledWei < parseEther('1.01')).toBe(true);
    const { stdout } = await stack.run('offer', 'show', String(id));
    expect(stdout).toContain(`offer ${String(id)}: Paid`);
  });

  it('gives back what was not spent, to the wei, and once', async () => {
    const provider = new JsonRpcProvider(stack.ready.rpcUrl, 31_337, { staticNetwork: true, cacheTimeout: -1 });
    let withdrawnWei = 0n;
    for (const name of payers) {
      const key = ['--key-file', stack.key(name)];
      const { credits } = await stack.json<{ credits: { amountWei: string }[] }>('offer', 'claim', String(id), ...key);
      expect(credits).toHaveLength(1);
      const { amountWei } = await stack.json<{ amountWei: string }>('withdraw', ...key);
      withdrawnWei += BigInt(amountWei);
    }
    provider.destroy();
    const offer = await stack.json<Offer>('offer', 'show', String(id));
    expect(withdrawnWei).toBe(BigInt(offer.refundableWei));
    const again = await stack.run('offer', 'claim', String(id), '--key-file', stack.key('payer-1'));
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('AlreadyRefunded');
    const empty = await stack.run('withdraw', '--key-file', stack.key('payer-1'));
    expect(empty.code).toBe(3);
    expect(empty.stderr).toContain('Nothing is credited');
  }, 120_000);

  it('can be verified by anybody, with the URLs alone and without the API', async () => {
    const { market } = (await graphql<{ market: { market: string } }>('{ market { market } }')).market;
    const { code, stdout } = await cotrain([
      ...['verify', String(id), '--json', '--sample', '6', '--market', market],
      ...['--rpc', stack.ready.rpcUrl, '--swarm', stack.ready.swarmUrl],
    ]);
    expect(code).toBe(0);
    const verdict = JSON.parse(stdout) as { vote: string; segments: { ok: boolean }[] };
    expect(verdict).toMatchObject({ vote: 'Valid', comparison: 'equality' });
    expect(verdict.segments.map(({ ok }) => ok)).toEqual([true, true, true, true, true, true]);
    const told = await stack.run('verify', String(id), '--sample', '1');
    expect(told.stdout).toMatch(/^segment {5}\d {2}equal\nValid: every loss, metric and state root .* bit for bit/m);
  }, 60_000);

  it('has a match receipt that anybody can replay, and whoever alters it is found out', async () => {
    const receipt = (...flags: string[]): Promise<Ended> => stack.run('offer', 'receipt', String(id), ...flags);
    const { code, stdout } = await receipt();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^pool honest +chosen at 0\.\d+ ETH$/m);
    expect(stdout).toMatch(/^inputs {3}agree .*\ndecision agrees/m);
    const altered = async (alter: (receipt: Receipt) => Receipt): Promise<Ended> => {
      const api = await TamperingApi.start(stack.ready.graphqlUrl, (data) => {
        const { nodes = [] } = (data['matchReceipts'] ?? {}) as { nodes?: { receiptJson: string }[] };
        for (const node of nodes) node.receiptJson = JSON.stringify(alter(JSON.parse(node.receiptJson) as Receipt));
      });
      try {
        return await receipt('--api', api.graphqlUrl, '--json');
      } finally {
        api.close();
      }
    };
    const dearer = await altered((real) => ({ ...real, chosen: { poolId: 'honest', priceWei: '5' } }));
    expect(dearer.code).toBe(5);
    expect(JSON.parse(dearer.stdout)).toMatchObject({ inputsAgree: true, decisionAgrees: false });
    const other = await altered((real) => ({ ...real, inputs: { ...real.inputs, pools: [] } }));
    expect(other.code).toBe(5);
    expect(JSON.parse(other.stdout)).toMatchObject({ inputsAgree: false, decisionAgrees: false });
    const none = await altered((real) => ({ ...real, inputs: { pools: [] } }));
    expect(none).toMatchObject({ code: 5, stdout: '' });
    expect(none.stderr).toMatch(/^This is no match receipt/);
  }, 120_000);

  it('has its log on Swarm, a line for each batch', async () => {
    const { code, stdout } = await stack.run('job', 'log', String(id), '--json');
    expect(code).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({ type: 'header', backend: 'exact', runtime: 'exact/1' });
    expect(lines.slice(1).map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, step) => step));
  });

  it('is no failure for a reader who has seen enough', async () => {
    const child = start(['job', 'log', String(id)], { COTRAIN_DIR: stack.dir });
    child.stdout?.destroy();
    expect((await collect(child)).code).toBe(0);
  });
});

describe('an offer whose trainer forges the log', () => {
  it('fails the verification with exit code 5, and its trainer is slashed', async () => {
    const { market } = await graphql<{ market: { market: `0x${string}`; registry: `0x${string}` } }>(
      '{ market { market registry } }',
    );
    const trainer = new HostileTrainer(stack.wallet('pool-4'), stack.ready, market);
    try {
      await trainer.deposit(parseEther('2'));
      const id = await createOffer('forged', '--bid-window', '6', '--runtime', 'tfjs/1');
      let offer = await stack.json<Offer>('offer', 'show', String(id));
      const header = parseHeaderJson(JSON.stringify(offer.header));
      await stack.json('offer', 'fund', String(id), '--key-file', stack.key('payer-1'));
      await trainer.bid(id, header, 1n, parseEther('0.01'));
      while (offer.state !== 'Awarded') {
        await delay(500);
        offer = await stack.json<Offer>('offer', 'show', String(id));
      }
      expect(offer.trainer?.toLowerCase()).toBe(stack.wallet('pool-4').address.toLowerCase());
      await trainer.start(id);
      await trainer.trainAndCommit(id, header, join(scratch.path, 'forger'));

      const checked = await stack.run('verify', String(id), '--sample', '100', '--json');
      expect(checked.code).toBe(5);
      expect(JSON.parse(checked.stdout)).toMatchObject({ vote: 'Invalid', comparison: 'tolerance', offerId: id });
      const shown = await stack.run('verify', String(id), '--sample', '100');
      expect(shown.code).toBe(5);
      expect(shown.stdout).toMatch(/segment {5}0 {2}DIFFERS {2}largest difference/);

      const watched = await stack.run('job', 'watch', String(id));
      expect(watched.code).toBe(5);
      expect(watched.stdout).toContain('Slashed');
    } finally {
      trainer.close();
    }
  }, 390_000);
});

/** Waits until round `round` of an offer's verification has found the work valid. */
async function foundValid(id: number, round: number): Promise<void> {
  for (;;) {
    const { rounds } = await stack.json<Offer>('offer', 'show', String(id));
    const verdict = rounds[round]?.verdict ?? null;
    if (verdict !== null) {
      expect(verdict).toBe('Valid');
      return;
    }
    await delay(500);
  }
}

/** Challenges honest work: it is checked again, and the trainer gets half of the bond. */
async function challengeInVain(id: number): Promise<void> {
  await foundValid(id, 0);
  const challenge = ['offer', 'challenge', String(id), '--segment', '3', '--key-file', stack.key('payer-2')];
  const refused = await stack.run(...challenge, '--max-bond', '0.0001');
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(/^The bond is 0\.\d+ ETH, more than --max-bond 0\.0001\. Nothing was sent\.\n$/);
  const tried = await stack.run(...challenge, '--dry-run');
  expect(tried.stdout).toMatch(/^Would challenge segment 3 of offer \d+\nbond 0\.\d+ ETH\nNothing was sent\.\n$/);
  const { bondWei } = await stack.json<{ bondWei: string }>(...challenge, '--max-bond', '1');
  expect(BigInt(bondWei)).toBeGreaterThan(0n);
  await foundValid(id, 1);
  const { stdout } = await stack.run('offer', 'show', String(id));
  expect(stdout).toMatch(/round 1: segments .*\b3\b/);
  // Nobody challenges it again: the chain's clock is put forward to the end of the window.
  const provider = new JsonRpcProvider(stack.ready.rpcUrl, 31_337, { staticNetwork: true });
  await provider.send('evm_increaseTime', [601]);
  provider.destroy();
}

/** The files of a folder that hold a text. */
function filesHolding(text: string, folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => existsSync(file) && readFileSync(file).includes(text));
}

describe('pool run', () => {
  it('sells this machine from a node of its own, until Ctrl-C', async () => {
    const child = start(
      [
        ...['pool', 'run', '--name', 'my-desk', '--floor-price', '0.2', '--stake', '2', '--idle-after', '0'],
        ...['--max-load', '1', '--confirmations', '1', '--key-file', stack.key('pool-3'), '--json'],
      ],
      { COTRAIN_DIR: stack.dir },
    );
    const ended = collect(child);
    try {
      await new Promise<void>((resolve, reject) => {
        child.stdout?.on('data', (chunk: Buffer) => {
          if (chunk.toString().includes('"event":"resumed"')) resolve();
        });
        void ended.then(({ stderr }) => {
          reject(new Error(`pool run ended: ${stderr}`));
        });
      });
      const id = await createOffer('for a desk', '--bid-window', '20', '--challenge-window', '600');
      await stack.json('offer', 'fund', String(id), '--key-file', stack.key('payer-1'));
      await challengeInVain(id);
      expect(await stack.run('job', 'watch', String(id))).toMatchObject({ code: 0, stderr: '' });
      const { trainer } = await stack.json<Offer>('offer', 'show', String(id));
      expect(trainer?.toLowerCase()).toBe(stack.wallet('pool-3').address.toLowerCase());
      expect(filesHolding(stack.wallet('pool-3').privateKey.slice(2), stack.dir)).toEqual([stack.key('pool-3')]);

      child.kill('SIGINT');
      const { code, stdout } = await ended;
      expect(code).toBe(0);
      const events = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { event: string; state?: string });
      const told = events.map(({ event, state }) => (event === 'job' ? `job ${state ?? ''}` : event));
      // A job as short as this one may begin and end between two looks at it.
      expect(told.filter((event) => event !== 'job Running')).toEqual([
        'started',
        'resumed',
        'job Done',
        'paused',
        'stopped',
      ]);
    } finally {
      child.kill('SIGKILL');
    }
  }, 390_000);
});

describe('what goes wrong', () => {
  const expectation = async (args: string[], code: number, reason: RegExp): Promise<void> => {
    const ended = await stack.run(...args);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toMatch(reason);
  };

  it.each<[string, (key: (name: string) => string) => string[], number, RegExp]>([
    ['no such offer', () => ['offer', 'show', '999', '--json'], 3, /There is no offer 999/],
    ['no receipt', () => ['offer', 'receipt', '999'], 3, /There is no offer 999/],
    ['no commitment', () => ['verify', '999', '--json'], 3, /no offer 999/],
    ['an unknown flag', () => ['offer', 'list', '--colour'], 2, /unknown option '--colour'/],
    ['an unknown command', () => ['offer', 'burn'], 2, /unknown command 'burn'/],
    ['a number that is none', () => ['offer', 'show', 'one'], 2, /Give a whole number/],
    ['a state that is none', () => ['offer', 'list', '--state', 'Lost'], 2, /Allowed choices are Funding/],
    ['a missing flag', () => ['offer', 'create'], 2, /required option '--name <name>' not specified/],
    ['a missing key', () => ['offer', 'fund', '1'], 2, /name the file of the key/],
    [
      'somebody else’s share',
      (key) => ['offer', 'fund', '1', '--key-file', key('pool-2')],
      6,
      /is no payer of offer 1/,
    ],
    ['somebody else’s pool', (key) => ['pool', 'pause', 'honest', '--key-file', key('pool-2')], 6, /belongs to/],
    ['no such pool', (key) => ['pool', 'pause', 'none', '--key-file', key('pool-2')], 3, /There is no pool none/],
    [
      'what the contract refuses',
      (key) => ['offer', 'fund', '1', '--key-file', key('payer-1')],
      1,
      /offer 1 is Paid, .* \[WrongState\(1, 6\)\]/,
    ],
    [
      'a training window that no pool can keep',
      (key) => ['offer', 'create', '--name', 'x', ...tinyJob(), '--training-window', '5', '--key-file', key('payer-1')],
      2,
      /--training-window is 5 s and --gpu-seconds 60/,
    ],
    [
      'a split that the dataset has not',
      (key) => ['offer', 'create', '--name', 'x', ...tinyJob(), '--test-split', 'exam', '--key-file', key('payer-1')],
      2,
      /^--test-split is exam; the dataset has /,
    ],
    [
      'a pool whose key the signer does not hold',
      (key) => ['pool', 'register', '--name', 'x', '--stake', '1', '--key-file', key('payer-1')],
      2,
      /^--key-file: the signer of this API does not hold the key of 0x/,
    ],
    ['an API that is away', () => ['offer', 'list', '--api', 'http://127.0.0.1:9/graphql'], 4, /does not answer/],
    ['a URL that is none', () => ['offer', 'list', '--api', 'localhost'], 2, /give an http or https URL/],
    ['a chain that is away', () => ['verify', '1', '--rpc', 'http://127.0.0.1:9'], 4, /does not answer eth_chainId/],
    ['a folder without a stack', () => ['offer', 'list', '--dir', '/nowhere'], 4, /No stack runs on \/nowhere/],
  ])('%s has an exit code of its own and one sentence on standard error', async (_, args, code, reason) => {
    await expectation(
      args((name) => stack.key(name)),
      code,
      reason,
    );
  });

  describe('at an API of somebody else', () => {
    /** Runs `stake deposit 1` at an API that alters its answers; the deposits that it made. */
    const deposit = async (
      tamper: (data: Record<string, unknown>) => void,
      ...flags: string[]
    ): Promise<Ended & { depositedWei: bigint }> => {
      const key = ['--key-file', stack.key('pool-4')];
      const stakeWei = async (): Promise<bigint> =>
        BigInt((await stack.json<{ freeStakeWei: string }>('stake', 'show', ...key)).freeStakeWei);
      const before = await stakeWei();
      const api = await TamperingApi.start(stack.ready.graphqlUrl, tamper, token);
      try {
        const where = ['--api', api.graphqlUrl, '--rpc', stack.ready.rpcUrl];
        const ended = await stack.run('stake', 'deposit', '1', ...key, ...where, ...flags);
        return { ...ended, depositedWei: (await stakeWei()) - before };
      } finally {
        api.close();
      }
    };
    const honest = (): void => undefined;
    let market = '';
    let token = '';

    beforeAll(async () => {
      token = await new ApiClient(stack.ready.graphqlUrl).signIn(stack.wallet('pool-4'), 31_337);
      ({ market } = (await graphql<{ market: { market: string } }>('{ market { market } }')).market);
    });

    it('signs for the market that the user names', async () => {
      expect(await deposit(honest, '--market', market)).toMatchObject({ code: 0, depositedWei: parseEther('1') });
      const other = await deposit(honest, '--market', stack.wallet('pool-1').address);
      expect(other).toMatchObject({ code: 1, stdout: '', depositedWei: 0n });
      expect(other.stderr).toMatch(/^The API works for the market 0x.*, and you mean 0x.* Nothing was signed/);
    }, 120_000);

    it('signs for the market that the API names only after it has shown what, and on request', async () => {
      const asked = await deposit(honest);
      expect(asked).toMatchObject({ code: 2, stdout: '', depositedWei: 0n });
      expect(asked.stderr).toMatch(/0x[0-9a-fA-F]{40} depositFor\(trainer: 0x.*\) with 1 ETH\. Nothing was signed/);
      expect(await deposit(honest, '--yes')).toMatchObject({ code: 0, depositedWei: parseEther('1') });
    }, 120_000);

    it.each<[string, Record<string, string>]>([
      ['money to somebody else', { to: `0x${'66'.repeat(20)}`, data: '0x', valueWei: String(parseEther('9000')) }],
      ['somebody else’s stake', { data: `0xb6b55f25${'66'.repeat(32)}` }],
      ['ten times as much', { valueWei: String(parseEther('10')) }],
    ])(
      'signs nothing when it prepares %s, even with --yes',
      async (_, change) => {
        const robbed = (data: Record<string, unknown>): void => {
          Object.assign((data['prepareDepositStake'] as object | undefined) ?? {}, change);
        };
        const wallet = stack.wallet('pool-4').address;
        const provider = new JsonRpcProvider(stack.ready.rpcUrl, 31_337, { staticNetwork: true });
        const before = await provider.getTransactionCount(wallet);
        for (const flags of [['--yes'], ['--market', market]]) {
          const ended = await deposit(robbed, ...flags);
          expect(ended).toMatchObject({ code: 1, stdout: '', depositedWei: 0n });
          expect(ended.stderr).toMatch(/^The API prepared another transaction than this command means\. Nothing was/);
        }
        expect(await provider.getTransactionCount(wallet)).toBe(before);
        provider.destroy();
      },
      120_000,
    );

    it('takes no other registry or quorum than those of the market', async () => {
      for (const contract of ['registry', 'quorum']) {
        const lying = (data: Record<string, unknown>): void => {
          const told = data['market'] as Record<string, string> | undefined;
          if (told?.[contract] !== undefined) told[contract] = told['market'] ?? '';
        };
        const ended = await deposit(lying, '--market', market);
        expect(ended).toMatchObject({ code: 1, stdout: '', depositedWei: 0n });
      }
    }, 120_000);
  });

  it('refuses a key file that others can read', async () => {
    const open = join(scratch.path, 'open-key');
    writeFileSync(open, stack.wallet('payer-1').privateKey);
    chmodSync(open, 0o644);
    await expectation(['offer', 'fund', '1', '--key-file', open], 2, /chmod 600/);
  });

  it('takes an API that is no API for what it is', async () => {
    await expectation(
      ['offer', 'list', '--api', `${stack.ready.swarmUrl}/health`],
      4,
      /something other than GraphQL|without data/,
    );
  });
});

async function graphql<T>(query: string): Promise<T> {
  const response = await fetch(stack.ready.graphqlUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  return ((await response.json()) as { data: T }).data;
}
