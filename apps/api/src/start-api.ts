import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Deployment, Indexer, type Logger, rpcChainSource } from '@cotrain/chain';
import { SwarmClient } from '@cotrain/swarm';
import { NestFactory } from '@nestjs/core';
import { GraphQLSchemaHost } from '@nestjs/graphql';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { FetchRequest, JsonRpcProvider } from 'ethers';
import { ApiModule } from './api-module.ts';
import { SignIn } from './auth/sign-in.ts';
import { type JobChecker, TrainerJobChecker } from './bidding/job-checker.ts';
import { MarketEngine } from './bidding/market-engine.ts';
import type { ApiContext } from './context.ts';
import { createDatabase, type Transaction } from './database/database.ts';
import { JobHeaderSource } from './graphql/job-header-source.ts';
import { startSubscriptionServer, type SubscriptionLimits } from './graphql/subscription-server.ts';
import { clientOf } from './http/client-address.ts';
import { MeasuredIndexerStore, MeasuredSignerClient } from './http/measured-parts.ts';
import { ApiMetrics } from './http/metrics.ts';
import { RateLimiter } from './http/rate-limiter.ts';
import { ReadinessProbe } from './http/readiness.ts';
import { ChangeFeed } from './indexing/change-feed.ts';
import { logDecoder } from './indexing/decode-log.ts';
import { LocalProcessScheduler } from './scheduling/local-process-scheduler.ts';
import { ValidatorEngine } from './validation/validator-engine.ts';

export interface ApiOptions {
  /** PostgreSQL; without it PGlite in `pgliteFolder`. */
  databaseUrl?: string | undefined;
  pgliteFolder?: string | undefined;
  rpcUrl: string;
  deployment: Deployment;
  swarmUrl: string;
  signerUrl: string;
  signerToken: string;
  /** 0 takes a free port. */
  port?: number;
  host?: string;
  /** Origin under which clients reach the API, such as `https://api.example.org`; host and port unless given. */
  publicUrl?: string | undefined;
  /** Origins of web pages that may call the API and that users sign in on. */
  webOrigins?: readonly string[];
  /** Proxies in front of the API whose word on the client's address is believed. */
  trustedProxies?: number;
  workFolder: string;
  trainerCommands: Record<string, readonly string[]> & { default: readonly string[] };
  /** Checks jobs before pools bid for them; the trainer's `check` unless given. */
  checker?: JobChecker;
  /** Accounts of the signer that validate. */
  validators: readonly string[];
  /** Account of the signer that pays for calls that anyone may make. */
  keeper: string | null;
  awardConfirmations?: number;
  pollMs?: number;
  introspection?: boolean;
  subscriptionLimits?: Partial<SubscriptionLimits>;
  logger: Logger;
}

export interface Api {
  url: string;
  graphqlUrl: string;
  context: ApiContext;
  /** Stops taking requests, lets those that run finish, ends subscriptions, jobs' supervision and connections. */
  close(): Promise<void>;
}

const maxBodyBytes = 262_144;
const rpcTimeoutMs = 15_000;
/** How long requests that run may take when the API closes. */
const drainMs = 5_000;

/**
 * Puts the API together and starts it. A chain, store or signer that is down does not keep it from starting; a database
 * that is down does. What was started is stopped again when starting fails.
 */
export async function startApi(options: ApiOptions): Promise<Api> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    return await start(options, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(
  options: ApiOptions,
  closers: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<Api> {
  const { deployment, logger, swarmUrl } = options;
  const pollMs = options.pollMs ?? 1_000;
  const metrics = new ApiMetrics();
  const database = await createDatabase(options);
  closers.push(() => database.close());
  const rpc = new FetchRequest(options.rpcUrl);
  rpc.timeout = rpcTimeoutMs;
  const provider = new JsonRpcProvider(rpc, deployment.chainId, { staticNetwork: true, cacheTimeout: -1 });
  closers.push(() => Promise.resolve(provider.destroy()));
  const swarm = new SwarmClient({ url: swarmUrl });
  const signer = new MeasuredSignerClient(metrics, options.signerUrl, options.signerToken);
  const changes = new ChangeFeed(database, logger);
  await changes.start();
  closers.push(() => changes.close());
  const validators = new ValidatorEngine({
    database,
    deployment,
    signer,
    swarmUrl,
    command: options.trainerCommands.default,
    validators: options.validators,
    logger,
  });
  closers.push(() => validators.close());
  const scheduler = new LocalProcessScheduler({
    database,
    swarmUrl,
    workFolder: options.workFolder,
    trainerCommands: options.trainerCommands,
    logger,
  });
  closers.push(() => scheduler.close());
  const checker =
    options.checker ?? new TrainerJobChecker({ swarmUrl, command: options.trainerCommands.default, logger });
  const engine = new MarketEngine({
    database,
    provider,
    deployment,
    swarm,
    signer,
    scheduler,
    validators,
    checker,
    logger,
    replica: randomUUID(),
    awardConfirmations: options.awardConfirmations ?? 2,
    keeper: options.keeper,
  });
  closers.push(() => engine.close());
  const indexer = new Indexer<Transaction>({
    source: rpcChainSource(provider),
    store: new MeasuredIndexerStore(metrics, database),
    addresses: [deployment.market.toLowerCase(), deployment.quorum.toLowerCase()] as `0x${string}`[],
    decode: logDecoder(deployment),
    startBlock: deployment.deployedAtBlock,
    logger,
    pollMs,
    onChange: () => {
      engine.wake();
    },
  });
  let ownOrigins: readonly string[] = [];
  const origins = (): readonly string[] => [...ownOrigins, ...(options.webOrigins ?? [])];
  const context: ApiContext = {
    database,
    deployment,
    provider,
    swarm,
    signer,
    indexer,
    engine,
    signIn: new SignIn({
      database,
      provider,
      rules: () => ({ chainId: deployment.chainId, origins: origins() }),
      nonceSecret: options.signerToken,
    }),
    changes,
    jobHeaders: new JobHeaderSource({ swarmUrl }),
    limiters: {
      signIn: new RateLimiter({ burst: 60, perSecond: 1 }),
      openOffer: new RateLimiter({ burst: 20, perSecond: 0.2 }),
      register: new RateLimiter({ burst: 30, perSecond: 0.5 }),
    },
    readiness: new ReadinessProbe({
      checks: {
        database: () => database.prisma.$queryRaw`SELECT 1`,
        chain: () => provider.send('eth_blockNumber', []),
        swarm: () => swarm.health(),
        signer: () => signer.accounts(),
      },
      logger,
    }),
    metrics,
    logger,
  };
  const url = await listen(context, options, origins, closers);
  ownOrigins = ownOriginsOf(url, options.publicUrl);

  const stopping = new AbortController();
  const indexing = indexer.run(stopping.signal).catch((error: unknown) => {
    logger.warn({ error: String(error) }, 'indexing stopped for good');
  });
  // Deadlines pass and validators finish without a new event: look regularly too.
  const timer = setInterval(
    () => {
      engine.wake();
    },
    Math.max(250, pollMs),
  );
  closers.push(async () => {
    clearInterval(timer);
    stopping.abort();
    await indexing;
  });
  return { url, graphqlUrl: `${url}/graphql`, context, close };
}

/** Starts to answer HTTP and WebSocket; returns the URL. */
async function listen(
  context: ApiContext,
  options: ApiOptions,
  origins: () => readonly string[],
  closers: (() => Promise<unknown>)[],
): Promise<string> {
  const introspection = options.introspection ?? true;
  const app = await NestFactory.create<NestExpressApplication>(ApiModule.create(context, { introspection }), {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  });
  const trustedProxies = options.trustedProxies ?? 0;
  app.set('trust proxy', trustedProxies);
  app.disable('x-powered-by');
  app.useBodyParser('json', { limit: maxBodyBytes });
  app.enableCors({
    origin: (origin, answer) => {
      answer(null, origin !== undefined && origins().includes(origin));
    },
    methods: ['POST'],
    allowedHeaders: ['content-type', 'authorization'],
    credentials: false,
    maxAge: 600,
  });
  await app.init();
  const server = app.getHttpServer() as Server;
  const subscriptions = startSubscriptionServer({
    server,
    path: '/graphql',
    schema: app.get(GraphQLSchemaHost, { strict: false }).schema,
    introspection,
    allowedOrigins: origins,
    clientOf: (request: IncomingMessage) => clientOf(request, trustedProxies),
    limits: options.subscriptionLimits,
    logger: context.logger,
    onCount: (counts) => {
      context.metrics.subscribers(counts);
    },
  });
  closers.push(async () => {
    const force = new AbortController();
    void delay(drainMs, undefined, { signal: force.signal })
      .then(() => {
        server.closeAllConnections();
      })
      .catch(() => undefined); // aborted: everything was finished in time
    await subscriptions.close();
    const closed = app.close();
    server.closeIdleConnections();
    await closed;
    force.abort();
  });
  const host = options.host ?? '127.0.0.1';
  await app.listen(options.port ?? 0, host);
  const { port } = server.address() as AddressInfo;
  const reachable = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${reachable}:${String(port)}`;
}

/** What clients may call this API. On the loopback interface it has two names. */
function ownOriginsOf(url: string, publicUrl: string | undefined): string[] {
  if (publicUrl !== undefined) return [new URL(publicUrl).origin];
  const { port, origin } = new URL(url);
  return [...new Set([origin, `http://localhost:${port}`, `http://127.0.0.1:${port}`])];
}
