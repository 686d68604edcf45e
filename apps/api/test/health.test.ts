import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Api } from '../src/start-api.ts';
import { eventually, TestClient } from './api-client.ts';
import { recordingLogger, startTestStack, type TestStack } from './api-stack.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

type Part = 'chain' | 'swarm' | 'signer' | 'database';
const portOf = (url: string): number => Number(new URL(url).port);

describe('health, readiness and metrics', () => {
  let stack: TestStack;
  let postgres: TestPostgres;
  let proxies: Record<Part, TcpProxy>;
  let api: Api;
  const logger = recordingLogger();

  beforeAll(async () => {
    [stack, postgres] = await Promise.all([startTestStack(), startPostgres()]);
    proxies = {
      chain: await startTcpProxy(portOf(stack.anvil.rpcUrl)),
      swarm: await startTcpProxy(portOf(stack.store.url)),
      signer: await startTcpProxy(portOf(stack.signer.url)),
      database: await startTcpProxy(postgres.port),
    };
    const database = new URL(postgres.url);
    database.hostname = '127.0.0.1';
    database.port = String(proxies.database.port);
    const through = (part: Part): string => `http://127.0.0.1:${String(proxies[part].port)}`;
    api = await stack.api({
      databaseUrl: database.href,
      rpcUrl: through('chain'),
      swarmUrl: through('swarm'),
      signerUrl: through('signer'),
      logger,
    });
  }, 90_000);
  afterAll(async () => {
    for (const proxy of Object.values(proxies)) await proxy.mend();
    await stack.close();
    for (const proxy of Object.values(proxies)) await proxy.close();
    await postgres.remove();
  }, 60_000);

  const ready = async (): Promise<Record<string, unknown>> => {
    const response = await fetch(`${api.url}/ready`);
    return { status: response.status, ...((await response.json()) as object) };
  };
  const metrics = async (): Promise<string> => (await fetch(`${api.url}/metrics`)).text();
  const value = async (name: string): Promise<number> => {
    const line = (await metrics()).split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1));
  };

  test('everything is well at the start', async () => {
    expect(await (await fetch(`${api.url}/health`)).json()).toEqual({ status: 'ok' });
    expect(await (await fetch(api.url)).text()).toContain('/graphql');
    await eventually(ready, ({ status }) => status === 200);
    expect(await ready()).toEqual({ status: 200, ready: true, chain: 'ok', swarm: 'ok', signer: 'ok', database: 'ok' });
  });

  const parts: [Part, 'refuse' | 'hang'][] = [
    ['chain', 'refuse'],
    ['chain', 'hang'],
    ['swarm', 'refuse'],
    ['swarm', 'hang'],
    ['signer', 'refuse'],
    ['signer', 'hang'],
    ['database', 'refuse'],
    ['database', 'hang'],
  ];
  test.each(parts)(
    'readiness names %s when it does not answer (%s), within its time limit, and recovers',
    async (part, how) => {
      await proxies[part].cut(how);
      const report = await eventually(ready, ({ status }) => status === 503);
      expect(report[part]).toMatch(/^does not answer/);
      expect(JSON.stringify(report)).not.toMatch(/127\.0\.0\.1|:\/\//);
      for (const other of ['chain', 'swarm', 'signer', 'database'].filter((each) => each !== part))
        expect(report[other]).toBe('ok');
      expect((await fetch(`${api.url}/health`)).status).toBe(200);
      const figures = await metrics();
      expect(figures).toContain(`cotrain_dependency_up{part="${part}"} 0`);
      await proxies[part].mend();
      await eventually(ready, ({ status }) => status === 200, 60_000);
      const told = logger.lines.filter(({ fields }) => fields['part'] === part).map(({ message }) => message);
      expect(told).toEqual(expect.arrayContaining(['a part is down', 'the part is back']));
    },
    90_000,
  );

  test('a chain that is down gives typed errors, and the index goes on where it was', async () => {
    const client = await new TestClient(api.graphqlUrl).signIn(stack.wallets[1]!);
    await proxies.chain.cut();
    const { errors } = await client.ask(`{ account(address: "${stack.wallets[1]!.address}") { address } }`);
    expect(errors[0]?.extensions).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await client.mutate('prepareUnbond(amountWei: "1")', '')).toMatchObject({ __typename: 'UnavailableError' });
    expect((await client.ask('{ offers(first: 1) { totalCount } }')).errors).toEqual([]);
    await proxies.chain.mend();
    await stack.provider.send('anvil_mine', ['0x5']);
    const head = await stack.provider.getBlockNumber();
    await eventually(
      () => client.data('{ market { indexedBlock headBlock } }'),
      ({ market }) => (market as { indexedBlock: number }).indexedBlock >= head,
      60_000,
    );
  }, 90_000);

  test('metrics tell what an operator watches, each instance for itself', async () => {
    await new TestClient(api.graphqlUrl).ask('{ nothing }');
    await new TestClient(api.graphqlUrl).ask('{ market { chainId } }');
    const figures = await metrics();
    for (const name of [
      'cotrain_indexed_block_lag',
      'cotrain_event_to_bid_seconds_bucket{le="1"}',
      'cotrain_bids_sent_total',
      'cotrain_reservations_held',
      'cotrain_outbox_lag_seconds',
      'cotrain_signer_intents_open',
      'cotrain_graphql_request_seconds_count{operation="query",field="market"}',
      'cotrain_graphql_errors_total{code="GRAPHQL_VALIDATION_FAILED"}',
      'cotrain_graphql_connections',
      'cotrain_process_cpu_seconds_total',
    ])
      expect(figures).toContain(name);
    const other = await stack.api();
    const theirs = await (await fetch(`${other.url}/metrics`)).text();
    expect(theirs).not.toContain('field="market"');
    await other.close();
    expect(await value('cotrain_graphql_connections')).toBe(0);
  }, 60_000);
});
