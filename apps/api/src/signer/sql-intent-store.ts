import {
  decodeIntent,
  encodeIntent,
  type IntentChanges,
  type IntentRecord,
  type IntentStatus,
  type IntentStore,
  NonceTakenError,
  UnknownIntentError,
} from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import type { Database, Transaction } from '../database/database.ts';
import { Prisma } from '../generated/prisma/client.ts';

/**
 * Intents in PostgreSQL, for a signer whose disk does not outlive it. That no two intents of a sender have one nonce is
 * a constraint of the table: it holds also against a process that has lost its lease without noticing.
 */
export class SqlIntentStore implements IntentStore {
  constructor(private readonly database: Database) {}

  async insertIfAbsent(record: IntentRecord): Promise<IntentRecord> {
    const { prisma } = this.database;
    await prisma.intent.createMany({
      data: [{ intentId: record.intentId, ...columnsOf(record) }],
      skipDuplicates: true,
    });
    const stored = await this.get(record.intentId);
    // It is there unless its nonce, the other unique thing, was taken.
    if (stored === null) throw new NonceTakenError(record.sender, record.nonce ?? 0);
    return stored;
  }

  async get(intentId: string): Promise<IntentRecord | null> {
    const row = await this.database.prisma.intent.findUnique({ where: { intentId } });
    return row === null ? null : decodeIntent(row.record);
  }

  async list(sender: Hex, statuses: readonly IntentStatus[]): Promise<IntentRecord[]> {
    const rows = await this.database.prisma.intent.findMany({
      where: { sender, status: { in: [...statuses] } },
      orderBy: [{ nonce: { sort: 'asc', nulls: 'last' } }, { sequence: 'asc' }],
    });
    return rows.map(({ record }) => decodeIntent(record));
  }

  async noncesFrom(sender: Hex, first: number): Promise<number[]> {
    const rows = await this.database.prisma.intent.findMany({
      where: { sender, nonce: { gte: first } },
      orderBy: { nonce: 'asc' },
      select: { nonce: true },
    });
    return rows.map(({ nonce }) => nonce).filter((nonce) => nonce !== null);
  }

  async update(intentId: string, changes: IntentChanges): Promise<IntentRecord> {
    let changed: IntentRecord | null = null;
    try {
      return await this.database.prisma.$transaction(async (tx) => {
        changed = { ...(await lock(tx, intentId)), ...changes };
        await tx.intent.update({ where: { intentId }, data: columnsOf(changed) });
        return changed;
      });
    } catch (error) {
      const taken = changed as IntentRecord | null;
      if (taken !== null && error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002')
        throw new NonceTakenError(taken.sender, taken.nonce ?? 0);
      throw error;
    }
  }
}

/** Others who change the same intent wait until this transaction ends. @throws UnknownIntentError */
async function lock(tx: Transaction, intentId: string): Promise<IntentRecord> {
  const [row] = await tx.$queryRaw<
    { record: unknown }[]
  >`SELECT "record" FROM "Intent" WHERE "intentId" = ${intentId} FOR UPDATE`;
  if (row === undefined) throw new UnknownIntentError(intentId);
  return decodeIntent(row.record);
}

function columnsOf(record: IntentRecord): {
  sender: string;
  status: string;
  nonce: number | null;
  record: Prisma.InputJsonObject;
} {
  const { sender, status, nonce } = record;
  return { sender, status, nonce, record: JSON.parse(encodeIntent(record)) as Prisma.InputJsonObject };
}
