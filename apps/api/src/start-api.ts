import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { type Deployment, Indexer, type Logger, rpcChainSource } from '@cotrain/chain';
import { SwarmClient } from '@cotrain/swarm';
import { NestFactory } from '@nestjs/core';
import { JsonRpcProvider } from 'ethers';
import { ApiModule } from './api-module.ts';
import { SignIn } from './auth/sign-in.ts';
import { MarketEngine } from './bidding/market-engine.ts';
import type { ApiContext } from './context.ts';
import { createDatabase, type Transaction } from './database/database.ts';
import { ChangeFeed } from './indexing/change-feed.ts';
import { logDecoder } from './indexing/decode-log.ts';
import { SqlIndexerStore } from './indexing/sql-indexer-store.ts';
import { LocalProcessScheduler } from './scheduling/local-process-scheduler.ts';
import { SignerClient } from './signer/signer-client.ts';
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
  /** Domain that sign-in messages must name; host and port unless given. */
  domain?: string | undefined;
  workFolder: string;
  trainerCommands: Record<string, readonly string[]> & { default: readonly string[] };
  /** Accounts of the signer that validate. */
  validators: readonly string[];
  /** Account of the signer that pays for calls that anyone may make. */
  keeper: string | null;
  awardConfirmations?: number;
  pollMs?: number;
  introspection?: boolean;
  logger: Logger;
}

export interface Api {
  url: string;
  graphqlUrl: string;
  context: ApiContext;
  close(): Promise<void>;
}

/** Puts the API together and starts it. A chain, store or signer that is down does not keep it from starting. */
export async function startApi(options: ApiOptions): Promise<Api> {
  const { deployment, logger, rpcUrl, swarmUrl } = options;
  const pollMs = options.pollMs ?? 1_000;
  const database = await createDatabase(options);
  const provider = new JsonRpcProvider(rpcUrl, deployment.chainId, { staticNetwork: true, cacheTimeout: -1 });
  const swarm = new SwarmClient({ url: swarmUrl });
  const signer = new SignerClient(options.signerUrl, options.signerToken);
  const scheduler = new LocalProcessScheduler({
    database,
    swarmUrl,
    workFolder: options.workFolder,
    trainerCommands: options.trainerCommands,
    logger,
  });
  const validators = new ValidatorEngine({
    database,
    deployment,
    signer,
    swarmUrl,
    command: options.trainerCommands.default,
    validators: options.validators,
    logger,
  });
  const engine = new MarketEngine({
    database,
    provider,
    deployment,
    swarm,
    signer,
    scheduler,
    validators,
    logger,
    replica: randomUUID(),
    awardConfirmations: options.awardConfirmations ?? 2,
    keeper: options.keeper,
  });
  const indexer = new Indexer<Transaction>({
    source: rpcChainSource(provider),
    store: new SqlIndexerStore(database),
    addresses: [deployment.market.toLowerCase(), deployment.quorum.toLowerCase()] as `0x${string}`[],
    decode: logDecoder(deployment),
    startBlock: deployment.deployedAtBlock,
    logger,
    pollMs,
    onChange: () => {
      engine.wake();
    },
  });
  const changes = new ChangeFeed(database, logger);
  const host = options.host ?? '127.0.0.1';
  const signIn = new SignIn({ database, chainId: deployment.chainId, domain: options.domain ?? 'localhost', provider });
  const context: ApiContext = {
    database,
    deployment,
    provider,
    swarm,
    signer,
    indexer,
    engine,
    signIn,
    changes,
    logger,
  };

  const app = await NestFactory.create(ApiModule.create(context, { introspection: options.introspection ?? true }), {
    logger: false,
    bodyParser: true,
    abortOnError: false,
  });
  await app.listen(options.port ?? 0, host);
  const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
  await changes.start();
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
  const url = `http://${host}:${String(port)}`;
  return {
    url,
    graphqlUrl: `${url}/graphql`,
    context,
    async close() {
      clearInterval(timer);
      stopping.abort();
      await indexing;
      await engine.close();
      await scheduler.close();
      await validators.close();
      await changes.close();
      await app.close();
      provider.destroy();
      await database.close();
    },
  };
}
