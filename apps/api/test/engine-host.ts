/**
 * A replica's engine room in a process of its own, for tests that kill it: database, indexer, market engine, scheduler
 * and validators, without GraphQL. It takes its options as JSON and tells `{"type":"ready"}` when it follows the chain.
 */
import { Indexer, rpcChainSource } from '@cotrain/chain';
import { SwarmClient } from '@cotrain/swarm';
import { FetchRequest, JsonRpcProvider } from 'ethers';
import { MarketEngine } from '../dist/bidding/market-engine.js';
import { createDatabase, type Transaction } from '../dist/database/database.js';
import { logDecoder } from '../dist/indexing/decode-log.js';
import { SqlIndexerStore } from '../dist/indexing/sql-indexer-store.js';
import { LocalProcessScheduler } from '../dist/scheduling/local-process-scheduler.js';
import { SignerClient } from '../dist/signer/signer-client.js';
import { ValidatorEngine } from '../dist/validation/validator-engine.js';
import { trustingChecker } from './trusting-checker.ts';
import type { EngineHostOptions } from './engine-process.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as EngineHostOptions;
const { deployment, pollMs, leaseMs, replica, killAt } = options;

const tell = (message: object): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};
const log = (level: string) => (fields: object, message: string) => {
  if (options.log === true || level === 'warn') tell({ type: 'log', level, message, ...fields });
};
const logger = { debug: log('debug'), info: log('info'), warn: log('warn') };

/** Dies as if the power had gone, at one moment of the first bid. */
class DyingSigner extends SignerClient {
  override async submitMany(
    requests: Parameters<SignerClient['submitMany']>[0],
  ): ReturnType<SignerClient['submitMany']> {
    const bids = requests.some(({ intentId }) => intentId.startsWith('bid:'));
    if (bids && killAt === 'before signing') process.kill(process.pid, 'SIGKILL');
    const outcomes = super.submitMany(requests);
    if (bids && killAt === 'while signing') setTimeout(() => process.kill(process.pid, 'SIGKILL'), 15);
    await outcomes;
    if (bids && killAt === 'before recording') process.kill(process.pid, 'SIGKILL');
    return outcomes;
  }
}

const database = await createDatabase(options);
const rpc = new FetchRequest(options.rpcUrl);
rpc.timeout = 5_000;
const provider = new JsonRpcProvider(rpc, deployment.chainId, { staticNetwork: true, cacheTimeout: -1 });
const swarm = new SwarmClient({ url: options.swarmUrl });
const signer = new DyingSigner(options.signerUrl, options.signerToken);
const { swarmUrl, workFolder } = options;
const trainerCommands = { default: options.trainerCommand };
const scheduler = new LocalProcessScheduler({
  database,
  swarmUrl,
  workFolder,
  trainerCommands,
  logger,
  replica,
  leaseMs,
  firstPauseMs: 100,
  stopGraceMs: 5_000,
});
const validators = new ValidatorEngine({
  database,
  deployment,
  signer,
  swarmUrl,
  command: options.trainerCommand,
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
  checker: trustingChecker,
  logger,
  replica,
  awardConfirmations: 0,
  keeper: options.keeper,
  leaseMs,
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
const stopping = new AbortController();
const indexing = indexer.run(stopping.signal);
const timer = setInterval(
  () => {
    engine.wake();
  },
  Math.max(200, pollMs),
);
tell({ type: 'ready' });

process.once('SIGTERM', () => {
  clearInterval(timer);
  stopping.abort();
  indexing
    .then(() => engine.close())
    .then(() => scheduler.close())
    .then(() => validators.close())
    .then(() => database.close())
    .then(() => process.exit(0))
    .catch((error: unknown) => {
      tell({ type: 'log', level: 'warn', message: 'shutdown failed', error: String(error) });
      process.exit(1);
    });
});
