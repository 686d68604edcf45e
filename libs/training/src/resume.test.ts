import { appendFileSync, copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type JobHeader, logEntryOffset, type Reference } from '@cotrain/protocol';
import fc from 'fast-check';
import { alteredRunner } from './testing/altered-runner.ts';
import { MemoryStore } from './testing/memory-store.ts';
import { publishJob } from './testing/publish-job.ts';
import { xorJob } from './testing/small-jobs.ts';
import { removeTemporaryDirectories, temporaryDirectory } from './testing/workdir.ts';
import { TrainingInterruptedError } from './errors.ts';
import type { ProgressEvent } from './progress.ts';
import { trainJob, type TrainOptions, type TrainResult } from './train-job.ts';

afterAll(removeTemporaryDirectories);

let store: MemoryStore;
let header: JobHeader;
let whole: TrainResult;

beforeAll(async () => {
  store = new MemoryStore();
  header = await publishJob(store, xorJob());
  whole = await trainJob({ store, header, workdir: temporaryDirectory() });
});

/** Trains until a step, then stops as a signal does. */
async function interruptedAt(stopAt: number, more: Partial<TrainOptions> = {}): Promise<string> {
  const workdir = more.workdir ?? temporaryDirectory();
  const abort = new AbortController();
  const training = trainJob({
    store,
    header,
    workdir,
    signal: abort.signal,
    createRunner: alteredRunner(({ step }) => {
      if (step === stopAt) abort.abort();
      return undefined;
    }),
    ...more,
  });
  await expect(training).rejects.toThrow(TrainingInterruptedError);
  return workdir;
}

async function continued(
  workdir: string,
  more: Partial<TrainOptions> = {},
): Promise<{ result: TrainResult; start: ProgressEvent | undefined }> {
  const events: ProgressEvent[] = [];
  const result = await trainJob({ store, header, workdir, onProgress: (event) => events.push(event), ...more });
  return { result, start: events[0] };
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  const place = at % bytes.length;
  bytes[place] = (bytes[place] ?? 0) ^ 0x40;
  writeFileSync(path, bytes);
}

/** What a crash, a full or a failing disk can leave behind. */
const damages: Record<string, (workdir: string, at: number) => void> = {
  'nothing unusual': () => undefined,
  'half a checkpoint beside the last one': (workdir, at) => {
    const bytes = readFileSync(join(workdir, 'checkpoint.bin'));
    writeFileSync(join(workdir, 'checkpoint.bin.tmp'), bytes.subarray(0, at % bytes.length));
  },
  'the moment between the two renames': (workdir) => {
    copyFileSync(join(workdir, 'checkpoint.bin'), join(workdir, 'checkpoint.previous.bin'));
    rmSync(join(workdir, 'checkpoint.bin'));
  },
  'a damaged checkpoint': (workdir, at) => {
    flip(join(workdir, 'checkpoint.bin'), at);
  },
  'two damaged checkpoints': (workdir, at) => {
    flip(join(workdir, 'checkpoint.bin'), at);
    writeFileSync(join(workdir, 'checkpoint.previous.bin'), 'x');
  },
  'entries of the log that no checkpoint knows': (workdir, at) => {
    appendFileSync(join(workdir, 'training.log'), Buffer.alloc(at % 200, 0xee));
  },
  'a damaged log': (workdir, at) => {
    flip(join(workdir, 'training.log'), at);
  },
  'a log that is shorter than the checkpoint says': (workdir, at) => {
    truncateSync(join(workdir, 'training.log'), at % 4_500);
  },
  'no log': (workdir) => {
    rmSync(join(workdir, 'training.log'));
  },
  'no checkpoint': (workdir) => {
    rmSync(join(workdir, 'checkpoint.bin'));
    rmSync(join(workdir, 'checkpoint.previous.bin'), { force: true });
  },
};

describe('a continued run', () => {
  it('gives the same bytes whatever the disk is left with', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 38 }),
        fc.constantFrom(...Object.keys(damages)),
        fc.nat(),
        async (stopAt, damage, at) => {
          const workdir = await interruptedAt(stopAt);
          damages[damage]?.(workdir, at);
          const { result } = await continued(workdir);
          expect(result).toEqual(whole);
          expect(new Uint8Array(readFileSync(join(workdir, 'training.log')))).toEqual(
            store.files.get(whole.logReference),
          );
        },
      ),
      { numRuns: 14, examples: Object.keys(damages).map((damage) => [20, damage, 4_321]) },
    );
  }, 240_000);

  it('falls back to the checkpoint before a damaged one', async () => {
    const workdir = await interruptedAt(20);
    flip(join(workdir, 'checkpoint.bin'), 300);
    const { start, result } = await continued(workdir);
    expect(start).toMatchObject({ type: 'start', from: 'disk', resumed: true });
    expect(start).not.toMatchObject({ step: 21 });
    expect(result).toEqual(whole);
  });

  it('publishes the state of a checkpoint again, whose upload a crash may have cut off', async () => {
    const workdir = await interruptedAt(15);
    const root = [...store.files.keys()].at(-1) as Reference;
    const state = store.files.get(root);
    store.files.delete(root);
    expect((await continued(workdir)).result).toEqual(whole);
    expect(store.files.get(root)).toEqual(state);
  });

  describe('on another machine', () => {
    let logReference: Reference;
    let publishedStep = 0;

    beforeAll(async () => {
      let published: Reference | undefined;
      await interruptedAt(37, {
        publishLogEveryMs: 0,
        onProgress: (event) => {
          if (event.type === 'checkpoint') [published, publishedStep] = [event.logReference, event.step];
        },
      });
      logReference = published as Reference;
    });

    it('continues from the published log, with the same bytes', async () => {
      const { start, result } = await continued(temporaryDirectory(), { resumeFrom: logReference });
      expect(start).toMatchObject({ from: 'swarm', resumed: true, step: publishedStep });
      expect(result).toEqual(whole);
    });

    it('uses it, too, when the disk is damaged', async () => {
      const workdir = await interruptedAt(8);
      rmSync(join(workdir, 'checkpoint.bin'));
      rmSync(join(workdir, 'checkpoint.previous.bin'), { force: true });
      const { start, result } = await continued(workdir, { resumeFrom: logReference });
      expect(start).toMatchObject({ from: 'swarm', step: publishedStep });
      expect(result).toEqual(whole);
    });

    it.each<[string, () => Promise<Reference>]>([
      ['a reference of nothing', () => Promise.resolve<Reference>(`0x${'ab'.repeat(32)}`)],
      ['no log', () => store.upload(new Uint8Array(5_000))],
      ['a log that ends within a segment', () => cut(logEntryOffset(publishedStep - 3))],
      ['a log that ends within an entry', () => cut(logEntryOffset(publishedStep) - 1)],
      ['a log with a damaged header', () => store.replace((bytes) => bytes.fill(0x7b, 0, 40), logReference)],
      [
        'a log whose state is nowhere',
        () =>
          store.replace(
            (bytes) => bytes.fill(0xcd, logEntryOffset(publishedStep) - 32, logEntryOffset(publishedStep)),
            logReference,
          ),
      ],
      [
        "another job's log",
        () =>
          publishJob(store, xorJob({ seed: 9n }))
            .then((other) => trainJob({ store, header: other, workdir: temporaryDirectory() }))
            .then((result) => result.logReference),
      ],
    ])('starts over when given %s', async (_, reference) => {
      const { start, result } = await continued(temporaryDirectory(), {
        resumeFrom: await Promise.resolve(reference()),
        patience: { sleep: () => Promise.resolve() },
      });
      expect(start).toMatchObject({ from: 'start', step: 0 });
      expect(result).toEqual(whole);
    });

    function cut(length: number): Promise<Reference> {
      return store.upload((store.files.get(logReference) as Uint8Array).slice(0, length));
    }
  });

  it('stops with a checkpoint on disk while the store is away', async () => {
    const abort = new AbortController();
    const workdir = temporaryDirectory();
    const training = trainJob({
      store,
      header,
      workdir,
      signal: abort.signal,
      createRunner: alteredRunner(({ step }) => {
        if (step === 15) store.outages = Infinity;
        if (step === 20) abort.abort();
        return undefined;
      }),
    });
    await expect(training).rejects.toThrow(TrainingInterruptedError);
    store.outages = 0;
    const { start, result } = await continued(workdir);
    expect(start).toMatchObject({ from: 'disk', step: 16 });
    expect(result).toEqual(whole);
  });
});
