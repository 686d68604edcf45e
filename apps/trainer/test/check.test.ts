import { spawn } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { JobHeader } from '@cotrain/protocol';
import { startSwarmStore, SwarmClient, type SwarmStore } from '@cotrain/swarm';
import { formatHeaderJson } from '@cotrain/training';
import { publishJob, removeTemporaryDirectories, temporaryDirectory, xorJob, xorRows } from '@cotrain/training/testing';

afterAll(removeTemporaryDirectories);

describe('cotrain-trainer check', () => {
  let swarm: SwarmStore;
  let folder: string;

  beforeAll(async () => {
    folder = temporaryDirectory();
    swarm = await startSwarmStore({ dir: folder });
  });
  afterAll(async () => {
    await swarm.close();
  });

  function run(header: JobHeader): Promise<{ code: number | null; output: string; errors: string }> {
    const child = spawn(
      process.execPath,
      [
        join(import.meta.dirname, '../src/main.ts'),
        'check',
        '--swarm',
        swarm.url,
        '--header-json',
        formatHeaderJson(header),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const heard = { output: '', errors: '' };
    child.stdout.on('data', (data: Buffer) => (heard.output += data.toString()));
    child.stderr.on('data', (data: Buffer) => (heard.errors += data.toString()));
    return new Promise((resolve) => {
      child.once('close', (code) => {
        resolve({ code, ...heard });
      });
    });
  }

  it('prints one line of JSON, whatever it found', async () => {
    const client = new SwarmClient({ url: swarm.url });
    const good = await run(await publishJob(client, xorJob()));
    expect({ code: good.code, line: JSON.parse(good.output) as unknown }).toEqual({
      code: 0,
      line: { type: 'check', ok: true, reason: null },
    });
    const initialStateReference = await client.upload(new Uint8Array(100));
    const bad = await run(await publishJob(client, xorJob({ initialStateReference })));
    expect(bad.code).toBe(0);
    expect(JSON.parse(bad.output)).toMatchObject({ type: 'check', ok: false, reason: expect.stringContaining('100') });
  }, 60_000);

  it('asks to be run again while leaves of the view are missing', async () => {
    const client = new SwarmClient({ url: swarm.url });
    const files = (): string[] => readdirSync(folder, { recursive: true }).map(String);
    const before = new Set(files());
    const train = xorRows(2_000);
    const root = (await client.upload(train)).slice(2);
    const leaves = files().filter((file) => !before.has(file) && /[0-9a-f]{64}$/.test(file) && !file.endsWith(root));
    expect(leaves).toHaveLength(5);
    const header = await publishJob(client, xorJob({ train }));
    for (const leaf of leaves.slice(1)) rmSync(join(folder, leaf));
    const ended = await run(header);
    expect(ended.code).toBe(3);
    expect(ended.errors).toContain('"retryable":true');
    expect(ended.output).toBe('');
  }, 60_000);
});
