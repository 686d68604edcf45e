import { describe, expect, test } from '@jest/globals';
import { clientOf } from './client-address.ts';
import { RateLimiter } from './rate-limiter.ts';

describe('rate limiter', () => {
  test('lets a burst through, then so many a second, each caller for himself', () => {
    let now = 0;
    const limiter = new RateLimiter({ burst: 3, perSecond: 2 }, () => now);
    expect([1, 2, 3].map(() => limiter.take('a'))).toEqual([0, 0, 0]);
    expect(limiter.take('a')).toBe(0.5);
    expect(limiter.take('b')).toBe(0);
    now = 500;
    expect(limiter.take('a')).toBe(0);
    expect(limiter.take('a')).toBeGreaterThan(0);
    now = 1_000_000;
    expect([1, 2, 3].map(() => limiter.take('a'))).toEqual([0, 0, 0]);
    expect(limiter.take('a')).toBeGreaterThan(0);
  });

  test('forgets idle callers, so that a flood of new ones costs bounded memory and lets the busy one through no more', () => {
    const limiter = new RateLimiter({ burst: 1, perSecond: 0.001 }, () => 0);
    expect(limiter.take('busy')).toBe(0);
    for (let index = 0; index < 50_000; index++) {
      limiter.take(`caller ${String(index)}`);
      if (index % 1_000 === 0) expect(limiter.take('busy')).toBeGreaterThan(0);
    }
    expect((limiter as unknown as { buckets: Map<string, unknown> }).buckets.size).toBeLessThanOrEqual(10_000);
  });
});

describe("the client's address", () => {
  const request = (forwarded?: string | string[]): Parameters<typeof clientOf>[0] =>
    ({
      socket: { remoteAddress: '10.0.0.1' },
      headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    }) as never;

  test.each([
    ['nobody is believed', request('1.1.1.1'), 0, '10.0.0.1'],
    ['one proxy names it', request('1.1.1.1'), 1, '1.1.1.1'],
    ['what a client invents before the proxy is not believed', request('6.6.6.6, 1.1.1.1'), 1, '1.1.1.1'],
    ['two proxies', request('6.6.6.6, 1.1.1.1, 10.0.0.2'), 2, '1.1.1.1'],
    ['several headers', request(['6.6.6.6', '1.1.1.1']), 1, '1.1.1.1'],
    ['fewer addresses than proxies', request(), 2, '10.0.0.1'],
  ])('%s', (_, asked, trusted, expected) => {
    expect(clientOf(asked, trusted)).toBe(expected);
  });
});
