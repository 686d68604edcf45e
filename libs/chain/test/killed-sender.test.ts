import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { toBeHex, zeroPadValue } from 'ethers';
import { ChainFixture } from './chain-fixture.ts';
import type { FaultPoint, SendingTask } from './sending-process.ts';

let chain: ChainFixture;
let folder: string;
beforeAll(async () => {
  chain = await ChainFixture.start();
});
afterAll(() => chain.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-sender-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const program = join(import.meta.dirname, 'sending-process.ts');

function start(task: SendingTask): { child: ChildProcess; ended: Promise<{ signal: string | null; output: string }> } {
  const child = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = once(child, 'close').then(([code, signal]) => {
    if (code !== 0 && signal === null) throw new Error(`The sending process failed: ${errors}`);
    return { signal: signal as string | null, output };
  });
  return { child, ended };
}

function taskOf(intents: number, dieAt: FaultPoint | null): SendingTask & { address: string } {
  const { address, privateKey } = chain.account();
  return {
    address,
    rpcUrl: chain.anvil.rpcUrl,
    privateKey,
    file: join(folder, 'intents.jsonl'),
    intents: Array.from({ length: intents }, (_, index) => ({
      intentId: `intent ${String(index)}`,
      to: zeroPadValue(toBeHex(0xc0ffee), 20) as `0x${string}`,
      valueWei: String(index + 1),
    })),
    dieAt,
  };
}

const faultPoints: FaultPoint[] = [
  'before storing',
  'after storing',
  'before recording the signature',
  'after recording the signature',
  'after sending',
  'before recording the receipt',
  'after recording the receipt',
];

describe('a sending process that is killed', () => {
  it.each(faultPoints)('%s has sent exactly one transaction after its restart', async (dieAt) => {
    const task = taskOf(1, dieAt);
    expect((await start(task).ended).signal).toBe('SIGKILL');
    const { output } = await start({ ...task, dieAt: null }).ended;
    const sent = await chain.sentBy(task.address);
    expect(sent.map(({ hash }) => hash)).toEqual(JSON.parse(output));
  });

  it('again and again, at any moment, has sent each of its intents once', async () => {
    const task = taskOf(15, null);
    let kills = 0;
    for (const waitMs of [250, 350, 450, 550, 650, 750]) {
      const { child, ended } = start(task);
      await Promise.race([delay(waitMs), ended]);
      child.kill('SIGKILL');
      if ((await ended).signal === 'SIGKILL') kills++;
    }
    expect(kills).toBeGreaterThan(0);
    await start(task).ended;
    const sent = await chain.sentBy(task.address);
    expect(sent.map(({ nonce }) => nonce)).toEqual(task.intents.map((_, index) => index));
    expect(sent.map(({ value }) => Number(value)).sort((a, b) => a - b)).toEqual(
      task.intents.map((_, index) => index + 1),
    );
  });
});
