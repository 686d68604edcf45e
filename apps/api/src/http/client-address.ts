import type { IncomingMessage } from 'node:http';

/**
 * The client's address, for counting. Of the addresses that proxies have noted, only those that trusted proxies wrote
 * count: each trusted proxy vouches for the one before it.
 */
export function clientOf(request: Pick<IncomingMessage, 'socket' | 'headers'>, trustedProxies: number): string {
  const peer = request.socket.remoteAddress ?? 'unknown';
  const header = request.headers['x-forwarded-for'];
  const noted = (Array.isArray(header) ? header.join(',') : (header ?? ''))
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
  const chain = [...noted, peer];
  return chain[Math.max(0, chain.length - 1 - trustedProxies)] ?? peer;
}
