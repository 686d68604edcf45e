import { describe, expect, test } from '@jest/globals';
import { ApiMetrics } from './metrics.ts';

const market = `0x${'ab'.repeat(20)}`;
const bid = (offerId: number): string => `bid:31337:${market}:${String(offerId)}:pool-1`;

async function valueOf(metrics: ApiMetrics, name: string): Promise<number | undefined> {
  const text = await metrics.registry.metrics();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

describe('metrics of bids', () => {
  test('count a bid once, however often its intent is handed over, and measure from its event', async () => {
    const metrics = new ApiMetrics();
    metrics.biddingStarted(1);
    for (const status of ['stored', 'signed', 'mined', 'confirmed']) metrics.intentSeen(bid(1), status);
    metrics.intentSeen(bid(2), 'refused');
    metrics.intentSeen(`start:31337:${market}:3`, 'stored');
    expect(await valueOf(metrics, 'cotrain_bids_sent_total')).toBe(1);
    expect(await valueOf(metrics, 'cotrain_event_to_bid_seconds_count')).toBe(1);
    metrics.intentSeen(bid(4), 'stored'); // its event came before this process
    expect(await valueOf(metrics, 'cotrain_bids_sent_total')).toBe(2);
    expect(await valueOf(metrics, 'cotrain_event_to_bid_seconds_count')).toBe(1);
  });

  test('ask the signer for what became of open intents, each in its turn', async () => {
    const metrics = new ApiMetrics();
    for (let offerId = 1; offerId <= 30; offerId++) metrics.intentSeen(bid(offerId), 'stored');
    const asked: string[] = [];
    const api = {
      indexer: { status: () => ({ head: 12, cursor: 10 }) },
      readiness: {
        report: () =>
          Promise.resolve({ ready: false, database: 'does not answer', chain: 'ok', swarm: 'ok', signer: 'ok' }),
      },
      signer: {
        intent: (intentId: string) => {
          asked.push(intentId);
          if (intentId === bid(1)) return Promise.reject(new Error('the signer does not answer'));
          return Promise.resolve({ status: intentId === bid(2) ? 'signed' : 'confirmed' });
        },
      },
    };
    await metrics.render(api as never);
    await metrics.render(api as never);
    expect(new Set(asked).size).toBe(30);
    expect(await valueOf(metrics, 'cotrain_signer_intents_open')).toBe(2);
    expect(await valueOf(metrics, 'cotrain_indexed_block_lag')).toBe(2);
  });

  test('are of one instance', async () => {
    const [one, other] = [new ApiMetrics(), new ApiMetrics()];
    one.intentSeen(bid(1), 'stored');
    expect(await valueOf(other, 'cotrain_bids_sent_total')).toBe(0);
  });
});
