import type { Balances } from './ledger.ts';

/** What `cotrain demo --json FILE` writes. Amounts are decimal strings in wei. */
export interface DemoReport {
  offers: OfferReport[];
  balances: { before: Record<string, string>; after: Record<string, string> };
  durationsMs: Record<string, number>;
}

export interface OfferReport {
  id: number;
  mode: string;
  runtime: string;
  outcome: 'paid' | 'slashed' | 'refunded';
  pool: string;
  priceWei: string;
  rewardWei: string;
  testAccuracy: number;
  steps: number;
  logReference: string;
  modelReference: string;
  transactions: { name: string; hash: string; gasUsed: string }[];
}

export function balancesReport(balances: Balances): Record<string, string> {
  return Object.fromEntries([...balances].map(([address, wei]) => [address, String(wei)]));
}
