import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from 'graphql-ws';
import WebSocket from 'ws';
import { publish, publishAll } from '../src/indexing/outbox.ts';
import type { Api } from '../src/start-api.ts';
import { eventually, TestClient } from './api-client.ts';
import { startTestStack, type TestStack } from './api-stack.ts';

const jobRow = { poolId: 'p', state: 'running', steps: 100, attempts: 1 };

describe('subscriptions', () => {
  let stack: TestStack;
  let api: Api;
  let client: TestClient;
  const sockets: Client[] = [];

  beforeAll(async () => {
    stack = await startTestStack();
    api = await stack.api({
      subscriptionLimits: { maxSubscriptionsOfConnection: 3, maxConnectionsOfClient: 4, maxBufferedBytes: 200_000 },
    });
    client = new TestClient(api.graphqlUrl);
  }, 60_000);
  afterAll(async () => {
    for (const socket of sockets) await socket.dispose();
    await stack.close();
  });

  const socket = (): Client => {
    const made = client.socket();
    sockets.push(made);
    return made;
  };
  /** What a subscription gets, as it comes. */
  const collect = (
    query: string,
    by: Client = socket(),
  ): { got: unknown[]; ended: () => boolean; stop: () => void; failure: () => unknown } => {
    const got: unknown[] = [];
    let ended = false;
    let failure: unknown;
    const stop = by.subscribe(
      { query },
      {
        next: (value) => got.push(value),
        error: (error) => {
          failure = error;
        },
        complete: () => {
          ended = true;
        },
      },
    );
    return { got, ended: () => ended, stop, failure: () => failure };
  };
  const setJob = (offerId: number, step: number): Promise<void> =>
    api.context.database.prisma.$transaction(async (tx) => {
      const row = { ...jobRow, offerId, step };
      await tx.trainingJob.upsert({ where: { offerId }, create: { name: `j${String(offerId)}`, ...row }, update: row });
      await publish(tx, 'job', offerId, {});
    });
  const logBatch = (offerId: number, step: number): Promise<void> =>
    api.context.database.prisma.$transaction((tx) =>
      publish(tx, 'batch', offerId, { step, loss: 0.5, metric: 0.25, wallMs: 3 }),
    );
  const subscribers = (): number => api.context.changes.size;
  const metric = async (name: string): Promise<number> =>
    Number(new RegExp(`^${name} (.*)$`, 'm').exec(await (await fetch(`${api.url}/metrics`)).text())?.[1]);

  test('tell a job as it is, then each change, and of no other job', async () => {
    await setJob(1, 5);
    const watched = collect('subscription { jobProgress(offerId: 1) { step steps state } }');
    await eventually(() => watched.got.length === 1);
    await setJob(2, 1);
    await setJob(1, 6);
    await eventually(() => watched.got.length === 2);
    expect(watched.got).toEqual([
      { data: { jobProgress: { step: 5, steps: 100, state: 'Running' } } },
      { data: { jobProgress: { step: 6, steps: 100, state: 'Running' } } },
    ]);
    watched.stop();
    await eventually(() => subscribers() === 0);
  });

  test('tell every batch once, in order', async () => {
    const watched = collect('subscription { batchLogged(offerId: 3) { offerId step loss } }');
    await eventually(() => subscribers() === 1);
    for (let step = 0; step < 50; step++) await logBatch(3, step);
    await eventually(
      () => watched.got.length,
      (count) => count === 50,
    );
    expect(watched.got).toEqual(
      Array.from({ length: 50 }, (_, step) => ({ data: { batchLogged: { offerId: 3, step, loss: 0.5 } } })),
    );
    watched.stop();
    await eventually(() => subscribers() === 0);
  });

  test('end on the server when the client completes, disconnects or vanishes', async () => {
    const completing = collect('subscription { batchLogged(offerId: 9) { step } }');
    await eventually(() => subscribers() === 1);
    completing.stop();
    await eventually(() => subscribers() === 0);

    const disconnecting = socket();
    collect('subscription { jobProgress(offerId: 9) { step } }', disconnecting);
    collect('subscription { offerChanged { id } }', disconnecting);
    await eventually(() => subscribers() === 2);
    await eventually(
      () => metric('cotrain_graphql_subscriptions'),
      (count) => count === 2,
    );
    await disconnecting.dispose();
    await eventually(() => subscribers() === 0);

    const raw = new WebSocket(client.graphqlUrl.replace('http', 'ws'), 'graphql-transport-ws');
    await new Promise((resolve) => raw.once('open', resolve));
    raw.send('{"type":"connection_init"}');
    await new Promise((resolve) => raw.once('message', resolve));
    raw.send('{"id":"1","type":"subscribe","payload":{"query":"subscription { offerChanged { id } }"}}');
    await eventually(() => subscribers() === 1);
    raw.terminate();
    await eventually(() => subscribers() === 0);
    await eventually(
      () => metric('cotrain_graphql_subscriptions'),
      (count) => count === 0,
    );
    await eventually(
      () => metric('cotrain_graphql_connections'),
      (count) => count === 0,
    );
  });

  test('are bounded for one connection; a completed one makes room', async () => {
    const one = socket();
    const open = Array.from({ length: 3 }, () => collect('subscription { offerChanged { id } }', one));
    await eventually(() => subscribers() === 3);
    const refused = collect('subscription { offerChanged { id } }', one);
    await eventually(() => refused.failure() !== undefined);
    expect(refused.failure()).toMatchObject([{ extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' } }]);
    open[0]!.stop();
    await eventually(() => subscribers() === 2);
    collect('subscription { offerChanged { id } }', one);
    await eventually(() => subscribers() === 3);
    await one.dispose();
    await eventually(() => subscribers() === 0);
  });

  test('come over a bounded number of connections of one client', async () => {
    await eventually(
      () => metric('cotrain_graphql_connections'),
      (count) => count === 0,
    );
    const url = client.graphqlUrl.replace('http', 'ws');
    const connect = (): Promise<WebSocket | number> =>
      new Promise((resolve) => {
        const made = new WebSocket(url, 'graphql-transport-ws');
        made.once('open', () => {
          resolve(made);
        });
        made.once('unexpected-response', (_request, response) => {
          resolve(response.statusCode ?? 0);
        });
        made.once('error', () => undefined); // the refusal, told above
      });
    const made = await Promise.all([connect(), connect(), connect(), connect()]);
    expect(made.every((each) => typeof each === 'object')).toBe(true);
    expect(await connect()).toBe(429);
    for (const each of made) if (typeof each === 'object') each.terminate();
    await eventually(
      () => metric('cotrain_graphql_connections'),
      (count) => count === 0,
    );
    const again = await connect();
    expect(typeof again).toBe('object');
    if (typeof again === 'object') again.terminate();
  });

  test.each<[string, string, string]>([
    ['a query', '{ me { address } }', 'BAD_REQUEST'],
    ['a mutation', 'mutation { signInNonce }', 'BAD_REQUEST'],
    ['an unknown field', 'subscription { nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['no GraphQL', 'subscription {', 'GRAPHQL_PARSE_FAILED'],
    ['an ill-typed argument', 'subscription { jobProgress(offerId: "one") { step } }', 'GRAPHQL_VALIDATION_FAILED'],
    ['a missing variable', 'subscription ($id: Int!) { jobProgress(offerId: $id) { step } }', 'BAD_USER_INPUT'],
    [
      'too many aliases',
      `subscription { offerChanged { ${Array.from({ length: 16 }, (_, index) => `a${String(index)}: id`).join(' ')} } }`,
      'TOO_MANY_ALIASES',
    ],
    ['a very long document', `subscription { offerChanged { ${'id '.repeat(2_100)} } }`, 'GRAPHQL_PARSE_FAILED'],
  ])('are refused with %s, with a code', async (_, query, code) => {
    const one = socket();
    const refused = collect(query, one);
    await eventually(() => refused.failure() !== undefined);
    expect(refused.failure()).toMatchObject([{ extensions: { code } }]);
    await one.dispose();
  });

  test('are refused to other sites, other paths, other protocols and oversized messages', async () => {
    const url = client.graphqlUrl.replace('http', 'ws');
    const statusOf = (made: WebSocket): Promise<number | 'open' | 'closed'> =>
      new Promise((resolve) => {
        made.once('open', () => {
          resolve('open');
        });
        made.once('unexpected-response', (_request, response) => {
          resolve(response.statusCode ?? 0);
        });
        made.once('error', () => {
          resolve('closed');
        });
      });
    expect(await statusOf(new WebSocket(url, 'graphql-transport-ws', { origin: 'https://evil.example.org' }))).toBe(
      403,
    );
    expect(await statusOf(new WebSocket(url.replace('/graphql', '/other'), 'graphql-transport-ws'))).toBe(404);
    const own = new WebSocket(url, 'graphql-transport-ws', { origin: new URL(api.url).origin });
    expect(await statusOf(own)).toBe('open');
    const closed = new Promise((resolve) => own.once('close', resolve));
    own.send('x'.repeat(70_000));
    expect(await closed).toBe(1009);
  });

  describe('asked for by whoever speaks no WebSocket', () => {
    const upgrade = (target: string): string =>
      [
        `GET ${target} HTTP/1.1`,
        'Host: any',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
        '\r\n',
      ].join('\r\n');
    const raw = (): Socket => connect({ port: Number(new URL(api.url).port), host: '127.0.0.1', allowHalfOpen: true });

    test.each(['//', '///', '/\\', 'http://', 'http://[', '*', '/graphql/', '//graphql', '?'])(
      'are refused for the target %s, and the API goes on',
      async (target) => {
        const one = raw();
        one.write(upgrade(target));
        // The end comes although the client keeps its own side open.
        expect(await text(one)).toMatch(/^HTTP\/1\.1 40[04] /);
        one.destroy();
        expect((await fetch(`${api.url}/health`)).status).toBe(200);
      },
    );

    test.each(['/other', '/graphql'])('may be reset at any time (%s)', async (target) => {
      for (let round = 0; round < 50; round++) {
        const one = raw();
        one.on('error', () => undefined); // its own reset
        await once(one, 'connect');
        one.write(upgrade(target));
        if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
        one.resetAndDestroy();
      }
      expect((await fetch(`${api.url}/health`)).status).toBe(200);
      await eventually(
        () => metric('cotrain_graphql_connections'),
        (count) => count === 0,
      );
    });
  });

  test('that are not read are cut off instead of filling the memory', async () => {
    const raw = new WebSocket(client.graphqlUrl.replace('http', 'ws'), 'graphql-transport-ws');
    await new Promise((resolve) => raw.once('open', resolve));
    raw.send('{"type":"connection_init"}');
    await new Promise((resolve) => raw.once('message', resolve));
    raw.pause();
    const field = 'batchLogged(offerId: 4) { step loss metric wallMs }';
    raw.send(
      JSON.stringify({ id: 'x'.repeat(30_000), type: 'subscribe', payload: { query: `subscription { ${field} }` } }),
    );
    await eventually(() => subscribers() === 1);
    for (let round = 0; round < 5 && subscribers() > 0; round++) {
      const batches = Array.from({ length: 200 }, (_, step) => ({
        topic: 'batch' as const,
        offerId: 4,
        payload: { step, loss: 1, metric: 1, wallMs: 1 },
      }));
      await api.context.database.prisma.$transaction((tx) => publishAll(tx, batches));
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    // Either as too much waits for it, or as it does not answer a ping of every 12 s within 12 s.
    await eventually(
      () => subscribers(),
      (count) => count === 0,
      45_000,
    );
    raw.terminate();
  }, 90_000);
});

test('a closing API ends its subscriptions and its port', async () => {
  const stack = await startTestStack();
  try {
    const api = await stack.api();
    const socket = new TestClient(api.graphqlUrl).socket();
    let closed = false;
    socket.on('closed', () => {
      closed = true;
    });
    socket.subscribe(
      { query: 'subscription { offerChanged { id } }' },
      { next: () => undefined, error: () => undefined, complete: () => undefined },
    );
    await eventually(() => api.context.changes.size === 1);
    await api.close();
    await eventually(() => closed);
    expect(api.context.changes.size).toBe(0);
    await expect(fetch(`${api.url}/health`)).rejects.toThrow('fetch failed');
    await socket.dispose();
  } finally {
    await stack.close();
  }
}, 60_000);
