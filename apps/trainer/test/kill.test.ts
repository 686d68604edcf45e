import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { JobHeader } from '@cotrain/protocol';
import { startSwarmStore, SwarmClient, type SwarmStore } from '@cotrain/swarm';
import { formatHeaderJson } from '@cotrain/training';
import { publishJob, removeTemporaryDirectories, temporaryDirectory, xorJob } from '@cotrain/training/testing';

const main = join(import.meta.dirname, '../src/main.ts');

describe('the trainer process', () => {
  let swarm: SwarmStore;
  let header: JobHeader;
  let exactHeader: JobHeader;

  beforeAll(async () => {
    swarm = await startSwarmStore({ dir: temporaryDirectory() });
    const client = new SwarmClient({ url: swarm.url });
    const job = xorJob({ steps: 600, commitEvery: 64, checkpointEvery: 9 });
    header = await publishJob(client, job);
    exactHeader = await publishJob(client, { ...job, runtime: 'exact/1' });
  });
  afterAll(async () => {
    await swarm.close();
    removeTemporaryDirectories();
  });

  /** Runs the trainer; `interrupt` gets the child and its lines as they come. */
  async function run(
    workdir: string,
    interrupt?: (kill: (signal: 'SIGKILL' | 'SIGTERM') => void, batches: number) => void,
    more: string[] = [],
    of = header,
  ): Promise<{ code: number | null; lines: Record<string, unknown>[]; errors: string }> {
    const child = spawn(
      process.execPath,
      [
        main,
        'train',
        '--swarm',
        swarm.url,
        '--header-json',
        formatHeaderJson(of),
        '--workdir',
        workdir,
        '--progress',
        'json',
        ...more,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    let errors = '';
    let batches = 0;
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
      batches += data.toString().split('"type":"batch"').length - 1;
      interrupt?.((signal) => child.kill(signal), batches);
    });
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    const lines = output
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    return { code, lines, errors };
  }

  it('gives the same bytes however often it is killed', async () => {
    const whole = await run(temporaryDirectory());
    expect(whole).toMatchObject({ code: 0, errors: '' });
    const workdir = temporaryDirectory();
    // Killed at random moments, by time as well as by progress, so that uploads and file writes are hit too.
    for (let round = 0; round < 6; round++) {
      const after = 20 + Math.floor(Math.random() * 80);
      const killed = await run(workdir, (kill, batches) => {
        if (batches >= after) void delay(Math.random() * 30).then(() => kill('SIGKILL'));
      });
      if (killed.code === 0) break;
    }
    const last = await run(workdir);
    expect(last.code).toBe(0);
    const result = whole.lines.at(-1);
    expect(last.lines.at(-1)).toEqual(result);
    const log = await new SwarmClient({ url: swarm.url }).download(result?.['logReference'] as `0x${string}`, {
      maxBytes: 2 ** 20,
    });
    expect(new Uint8Array(readFileSync(join(workdir, 'training.log')))).toEqual(log);
  }, 120_000);

  it('gives the same bytes on exact/1 when another implementation goes on wherever one was killed', async () => {
    const whole = await run(temporaryDirectory(), undefined, [], exactHeader);
    expect(whole).toMatchObject({ code: 0, errors: '' });
    const workdir = temporaryDirectory();
    for (const implementation of ['native', 'wasm', 'reference'])
      await run(
        workdir,
        (kill, batches) => {
          if (batches >= 40) void delay(Math.random() * 30).then(() => kill('SIGKILL'));
        },
        ['--implementation', implementation],
        exactHeader,
      );
    const last = await run(workdir, undefined, [], exactHeader);
    expect(last).toMatchObject({ code: 0, errors: '' });
    expect(last.lines[0]).toMatchObject({ type: 'start', backend: 'exact', resumed: true });
    expect(last.lines.at(-1)).toEqual(whole.lines.at(-1));
  }, 120_000);

  it('makes a checkpoint when it is terminated, exits with 143, and continues there', async () => {
    const workdir = temporaryDirectory();
    let asked = false;
    const stopped = await run(workdir, (kill, batches) => {
      if (batches < 50 || asked) return;
      asked = true;
      kill('SIGTERM');
    });
    expect(stopped.code).toBe(143);
    expect(JSON.parse(stopped.errors)).toMatchObject({ name: 'TrainingInterruptedError' });
    const done = stopped.lines.filter((line) => line['type'] === 'batch').length;
    const continued = await run(workdir);
    expect(continued.lines[0]).toMatchObject({ type: 'start', step: done, resumed: true });
    expect(continued.code).toBe(0);
  }, 60_000);

  it('exits with 2 for input that is wrong', async () => {
    const { code, errors } = await run(temporaryDirectory(), undefined, ['--backend', 'tfjs-node-gpu']);
    expect(code).toBe(2);
    expect(errors).toContain('tfjs-node-gpu');
  });
});
