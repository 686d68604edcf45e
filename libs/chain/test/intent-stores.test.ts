import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CorruptJournalError, FileIntentStore } from '../src/file-intent-store.ts';
import { FileLockedError } from '../src/file-lock.ts';
import type { IntentRecord, IntentStatus, IntentStore } from '../src/intent.ts';
import { MemoryIntentStore } from '../src/memory-intent-store.ts';
import { intentStoreContract, sampleIntent } from '../src/testing/intent-store-contract.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-journal-'));
  file = join(folder, 'intents.jsonl');
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const allStatuses: IntentStatus[] = ['stored', 'signed', 'mined', 'confirmed', 'reverted', 'refused'];
const everything = (store: IntentStore): Promise<IntentRecord[]> => store.list(sampleIntent('').sender, allStatuses);

describe('every intent store', () => {
  it.each(intentStoreContract)('in memory $name', ({ check }) => check(new MemoryIntentStore()));

  it.each(intentStoreContract)('in a file $name', async ({ check }) => {
    const store = await FileIntentStore.open(file);
    await check(store);
    const before = await everything(store);
    await store.close();
    const reopened = await FileIntentStore.open(file);
    expect(await everything(reopened)).toEqual(before);
    await reopened.close();
  });

  it.each(intentStoreContract)('in a file that is rewritten all the time $name', async ({ check }) => {
    const store = await FileIntentStore.open(file, { compactAfterBytes: -1_000_000 });
    await check(store);
    await store.close();
  });
});

describe('the journal of intents', () => {
  async function journal(count: number): Promise<void> {
    const store = await FileIntentStore.open(file);
    for (let index = 0; index < count; index++) {
      await store.insertIfAbsent(sampleIntent(`intent ${String(index)}`));
      await store.update(`intent ${String(index)}`, { status: 'signed', nonce: index });
    }
    await store.close();
  }

  async function stored(): Promise<string[]> {
    const store = await FileIntentStore.open(file);
    const found = await everything(store);
    await store.close();
    return found.map(({ intentId, status }) => `${intentId} ${status}`);
  }

  it('can be read by its owner only', async () => {
    await journal(1);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('loses, cut off anywhere, only what had not been written whole', async () => {
    await journal(3);
    await stored(); // rewrites it: one line for each
    const whole = readFileSync(file);
    const lineEnds = [...whole.entries()].filter(([, byte]) => byte === 10).map(([at]) => at + 1);
    for (let length = 0; length <= whole.length; length += 11) {
      writeFileSync(file, whole.subarray(0, length));
      expect(await stored()).toHaveLength(lineEnds.filter((end) => end <= length).length);
    }
  });

  it('goes on after a torn line: what comes next is not glued to it', async () => {
    await journal(2);
    appendFileSync(file, '{"intentId":"torn","to":"0x');
    const store = await FileIntentStore.open(file);
    await store.insertIfAbsent(sampleIntent('after'));
    await store.close();
    expect(await stored()).toEqual(['intent 0 signed', 'intent 1 signed', 'after stored']);
  });

  it.each([
    ['not JSON', 'garbage'],
    ['a number', '5'],
    ['null', 'null'],
    ['an empty line', ''],
    ['a record with a wrong amount', JSON.stringify({ ...sampleIntent('x'), valueWei: '-1' })],
    ['two records in one line', `${JSON.stringify({ a: 1 })}${JSON.stringify({ b: 2 })}`],
  ])('refuses %s in the middle, names the line and keeps the file', async (_, line) => {
    await journal(2);
    const lines = readFileSync(file, 'utf8').split('\n');
    const damaged = [lines[0], line, ...lines.slice(1)].join('\n');
    writeFileSync(file, damaged);
    await expect(FileIntentStore.open(file)).rejects.toThrow(CorruptJournalError);
    await expect(FileIntentStore.open(file)).rejects.toThrow(/line 2 is broken.*backup/);
    expect(readFileSync(file, 'utf8')).toBe(damaged);
  });

  it('survives a crash while it is rewritten: the half-written new file is ignored', async () => {
    await journal(2);
    writeFileSync(`${file}.new`, '{"intentId":"half');
    expect(await stored()).toEqual(['intent 0 signed', 'intent 1 signed']);
  });

  it('does not grow with every change', async () => {
    const store = await FileIntentStore.open(file, { compactAfterBytes: 2_000 });
    await store.insertIfAbsent(sampleIntent('one'));
    for (let turn = 0; turn < 200; turn++) await store.update('one', { failure: `turn ${String(turn)}` });
    expect(statSync(file).size).toBeLessThan(5_000);
    await store.close();
    const reopened = await FileIntentStore.open(file);
    expect(await reopened.get('one')).toMatchObject({ failure: 'turn 199' });
    await reopened.close();
  });

  it('belongs to one process at a time, and to the next one after a crash', async () => {
    const store = await FileIntentStore.open(file);
    await expect(FileIntentStore.open(file)).rejects.toThrow(FileLockedError);
    await store.close();
    writeFileSync(`${file}.lock`, '999999999'); // left by a process that is gone
    await (await FileIntentStore.open(file)).close();
    writeFileSync(`${file}.lock`, '1'); // a process that lives
    await expect(FileIntentStore.open(file)).rejects.toThrow(/process 1/);
  });

  it('never crashes on any bytes: it opens with whole records or says that it is corrupt', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constant(Buffer.from('\n'))), { maxLength: 6 }),
        fc.nat({ max: 400 }),
        async (pieces, at) => {
          await journal(1);
          const whole = readFileSync(file);
          writeFileSync(file, Buffer.concat([whole.subarray(0, at), ...pieces, whole.subarray(at)]));
          try {
            const store = await FileIntentStore.open(file);
            for (const record of await everything(store)) expect(typeof record.valueWei).toBe('bigint');
            await store.close();
          } catch (error) {
            expect(error).toBeInstanceOf(CorruptJournalError);
          }
          rmSync(file);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('holds what a store in memory holds, whatever is done to both', async () => {
    const id = fc.constantFrom('a', 'b', 'c', '7n', '__proto__');
    const command = fc.oneof(
      fc.record({ insert: id }),
      fc.record({
        update: id,
        changes: fc.record(
          {
            status: fc.constantFrom(...allStatuses),
            nonce: fc.option(fc.nat({ max: 3 })),
            failure: fc.option(fc.string()),
          },
          { requiredKeys: [] },
        ),
      }),
      fc.record({ reopen: fc.constant(true) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
        rmSync(file, { force: true });
        const model = new MemoryIntentStore();
        let store = await FileIntentStore.open(file, { compactAfterBytes: 500 });
        for (const step of commands) {
          if ('insert' in step) {
            expect(await store.insertIfAbsent(sampleIntent(step.insert))).toEqual(
              await model.insertIfAbsent(sampleIntent(step.insert)),
            );
          } else if ('update' in step) {
            const [real, expected] = await Promise.allSettled([
              store.update(step.update, step.changes),
              model.update(step.update, step.changes),
            ]);
            expect(real).toEqual(expected);
          } else {
            await store.close();
            store = await FileIntentStore.open(file, { compactAfterBytes: 500 });
          }
        }
        expect(await everything(store)).toEqual(await everything(model));
        await store.close();
      }),
      { numRuns: 60 },
    );
  });
});
