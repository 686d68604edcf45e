import { exactChange, roundedEther } from '../terminal/amount.ts';
import type { Account, Balances } from './ledger.ts';

export interface SheetRow {
  name: string;
  beforeWei: bigint;
  afterWei: bigint;
}

/** Where the money was and is: every account, then gas, which left them all. */
export interface BalanceSheet {
  rows: SheetRow[];
  sumBeforeWei: bigint;
  sumAfterWei: bigint;
}

/** @param gasWei what all transactions in between paid for gas */
export function balanceSheet(
  accounts: readonly Account[],
  before: Balances,
  after: Balances,
  gasWei: bigint,
): BalanceSheet {
  const rows = [
    ...accounts.map(({ name, address }) => ({
      name,
      beforeWei: before.get(address) ?? 0n,
      afterWei: after.get(address) ?? 0n,
    })),
    { name: 'gas', beforeWei: 0n, afterWei: gasWei },
  ];
  return {
    rows,
    sumBeforeWei: rows.reduce((sum, { beforeWei }) => sum + beforeWei, 0n),
    sumAfterWei: rows.reduce((sum, { afterWei }) => sum + afterWei, 0n),
  };
}

/** The sheet as lines: balances rounded for reading, changes exact for adding up. */
export function sheetLines({ rows, sumBeforeWei, sumAfterWei }: BalanceSheet): string[] {
  const line = (name: string, before: string, after: string, change: string): string =>
    `  ${name.padEnd(21)} ${before.padStart(14)} ${after.padStart(14)}   ${change}`;
  const rule = `  ${'-'.repeat(21)} ${'-'.repeat(14)} ${'-'.repeat(14)}   ${'-'.repeat(27)}`;
  const lineOf = ({ name, beforeWei, afterWei }: SheetRow): string =>
    line(name, roundedEther(beforeWei), roundedEther(afterWei), exactChange(afterWei - beforeWei).padStart(27));
  return [
    line('', 'before', 'after', 'change, to the wei'.padStart(27)),
    ...rows.map(lineOf),
    rule,
    lineOf({ name: 'sum', beforeWei: sumBeforeWei, afterWei: sumAfterWei }),
  ];
}
