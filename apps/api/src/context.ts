import type { Deployment, Indexer, Logger } from '@cotrain/chain';
import type { SwarmClient } from '@cotrain/swarm';
import type { JsonRpcProvider } from 'ethers';
import type { SignIn } from './auth/sign-in.ts';
import type { MarketEngine } from './bidding/market-engine.ts';
import type { Database, Transaction } from './database/database.ts';
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
  logger: Logger;
}

/** Under this token Nest hands the context to resolvers. */
export const API_CONTEXT = Symbol('ApiContext');
