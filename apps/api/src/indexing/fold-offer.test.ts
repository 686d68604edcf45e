import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { foldOffer, type StoredEvent, verdictWindowSeconds } from './fold-offer.ts';

const at = (eventName: string, blockTimestamp: number, args: Record<string, unknown>): StoredEvent => ({
  id: `${String(blockTimestamp)}-0`,
  blockNumber: blockTimestamp,
  blockTimestamp,
  eventName,
  args,
});

test('a committed offer shows when its verifier loses its say, as the contract has it', () => {
  const market = readFileSync(join(import.meta.dirname, '../../../../contracts/src/TrainingMarket.sol'), 'utf8');
  const days = /VERDICT_WINDOW = (\d+) days;/.exec(market)?.[1];
  expect(verdictWindowSeconds).toBe(Number(days) * 86_400);
  const offer = foldOffer([
    at('OfferOpened', 1, { offerId: '1', terms: { fundingWindow: 10 }, payers: [], units: [] }),
    at('JobCommitted', 100, { logReference: '0x', modelReference: '0x', commitment: '0x' }),
  ]);
  expect(offer?.deadline).toBe(100 + verdictWindowSeconds);
});
