import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { LeaseLostError } from '@cotrain/chain';
import { intentStoreContract, sampleIntent } from '@cotrain/chain/testing';
import { createDatabase, type Database } from '../src/database/database.ts';
import { openIntentStorage } from '../src/signer/intent-storage.ts';
import { SqlIntentStore } from '../src/signer/sql-intent-store.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.remove());

describe.each(['PGlite', 'PostgreSQL'])('intents on %s', (kind) => {
  let database: Database;
  beforeAll(async () => {
    database = await createDatabase(kind === 'PGlite' ? {} : { databaseUrl: postgres.url });
  });
  afterAll(() => database.close());
  beforeEach(() => database.prisma.intent.deleteMany());

  it.each(intentStoreContract)('$name', ({ check }) => check(new SqlIntentStore(database)));
});

it('of two signers that believe to be the only one, one gets the nonce', async () => {
  const databaseUrl = await postgres.createDatabase();
  const databases = await Promise.all([1, 2].map(() => createDatabase({ databaseUrl })));
  const [a, b] = databases.map((database) => new SqlIntentStore(database));
  for (let nonce = 0; nonce < 20; nonce++) {
    const ids = [`a ${String(nonce)}`, `b ${String(nonce)}`];
    await Promise.all(ids.map((intentId) => a!.insertIfAbsent(sampleIntent(intentId))));
    const signed = await Promise.allSettled([
      a!.update(ids[0]!, { status: 'signed', nonce }),
      b!.update(ids[1]!, { status: 'signed', nonce }),
    ]);
    expect(signed.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  }
  await Promise.all(databases.map((database) => database.close()));
});

describe('where the signer keeps its intents', () => {
  it('a database is used by one signer at a time, and by the next when the first is gone', async () => {
    const databaseUrl = await postgres.createDatabase();
    const first = await openIntentStorage({ databaseUrl, stateFolder: '/nowhere', leaseMs: 300 });
    const second = await openIntentStorage({ databaseUrl, stateFolder: '/nowhere', leaseMs: 300 });
    await first.lease?.assertHeld();
    await expect(second.lease?.assertHeld()).rejects.toThrow(LeaseLostError);
    await first.store.insertIfAbsent(sampleIntent('one'));
    await first.close();
    await second.lease?.assertHeld();
    expect(await second.store.get('one')).toEqual(sampleIntent('one'));
    await second.close();
  });

  it('one that dies holds the others up no longer than its lease', async () => {
    const databaseUrl = await postgres.createDatabase();
    const dead = await openIntentStorage({ databaseUrl, stateFolder: '/nowhere', leaseMs: 200 });
    const next = await openIntentStorage({ databaseUrl, stateFolder: '/nowhere', leaseMs: 200 });
    await dead.lease?.assertHeld(); // and never again
    while (
      !(await next.lease?.assertHeld().then(
        () => true,
        () => false,
      ))
    )
      await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(dead.lease?.assertHeld()).rejects.toThrow(LeaseLostError);
    await next.close();
    await dead.close();
  });
});
