import type { Deployment, Indexer, Logger } from '@cotrain/chain';
import type { SwarmClient } from '@cotrain/swarm';
import type { JsonRpcProvider } from 'ethers';
import type { SignIn } from './auth/sign-in.ts';
import type { MarketEngine } from './bidding/market-engine.ts';
import type { Database, Transaction } from './database/database.ts';
import type { JobHeaderSource } from './graphql/job-header-source.ts';
import type { ApiMetrics } from './http/metrics.ts';
import type { RateLimiter } from './http/rate-limiter.ts';
import type { ReadinessProbe } from './http/readiness.ts';
import type { ChangeFeed } from './indexing/change-feed.ts';
import type { SignerClient } from './signer/signer-client.ts';

/** Everything that the GraphQL and HTTP layers may use; built once, in startApi. */
export interface ApiContext {
  database: Database;
  deployment: Deployment;
  provider: JsonRpcProvider;
  swarm: SwarmClient;
  signer: SignerClient;
  indexer: Indexer<Transaction>;
  engine: MarketEngine;
  signIn: SignIn;
  changes: ChangeFeed;
  jobHeaders: JobHeaderSource;
  /** Of what strangers can make expensive: sign-ins by client, the others by address. */
  limiters: { signIn: RateLimiter; openOffer: RateLimiter; register: RateLimiter };
  readiness: ReadinessProbe;
  metrics: ApiMetrics;
  logger: Logger;
}

/** Under this token Nest hands the context to resolvers. */
export const API_CONTEXT = Symbol('ApiContext');
