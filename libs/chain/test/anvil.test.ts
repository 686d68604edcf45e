import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isAlive } from '@cotrain/processes';
import { Wallet } from 'ethers';
import { startAnvil, testAccounts } from '../src/anvil.ts';
import { AnvilStartError } from '../src/errors.ts';
import { makeProvider } from './chain-fixture.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-anvil-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the local chain', () => {
  it('funds its accounts and keeps what happened across a restart', async () => {
    const stateFile = join(folder, 'state.json');
    const first = await startAnvil({ stateFile, chainId: 4_242, accounts: 3, balanceEther: 5 });
    const provider = makeProvider(first.rpcUrl);
    expect((await provider.getNetwork()).chainId).toBe(4_242n);
    const [rich, other] = first.accounts;
    expect(await provider.getBalance(rich!.address)).toBe(5n * 10n ** 18n);
    const sent = await new Wallet(rich!.privateKey, provider).sendTransaction({ to: other!.address, value: 7n });
    await sent.wait();
    provider.destroy();
    await first.close();
    expect(isAlive(first.pid)).toBe(false);

    const second = await startAnvil({ stateFile, chainId: 4_242, accounts: 3, balanceEther: 5 });
    const again = makeProvider(second.rpcUrl);
    expect(await again.getBalance(other!.address)).toBe(5n * 10n ** 18n + 7n);
    expect(await again.getTransactionReceipt(sent.hash)).toMatchObject({ status: 1 });
    again.destroy();
    await second.close();
  });

  it('has the well-known test accounts', () => {
    expect(testAccounts(1)[0]).toEqual({
      address: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
      privateKey: '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
    });
  });

  it('says that the port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await expect(startAnvil({ port })).rejects.toThrow(AnvilStartError);
    await expect(startAnvil({ port })).rejects.toThrow(new RegExp(`Port ${String(port)} .*running already`));
    server.close();
  });

  it('says that the state file is damaged', async () => {
    const stateFile = join(folder, 'state.json');
    writeFileSync(stateFile, '{"block": tor');
    await expect(startAnvil({ stateFile, startTimeoutMs: 15_000 })).rejects.toThrow(/state\.json/);
  });

  it('ends when the process that started it is killed', async () => {
    const program = `
      const { startAnvil } = await import('@cotrain/chain');
      console.log((await startAnvil()).pid);
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    for (let turn = 0; turn < 200 && isAlive(pid); turn++) await delay(50);
    expect(isAlive(pid)).toBe(false);
  });
});
