// What the benchmarks of the API's insides use: the engine, the index and what they stand on, without GraphQL. It is
// run as it stands here, on the built API. Not for production.
export { createDatabase } from '../dist/database/database.js';
export { logDecoder } from '../dist/indexing/decode-log.js';
export { SqlIndexerStore } from '../dist/indexing/sql-indexer-store.js';
export { addPool } from './add-pool.ts';
export { deployment, type LogBody, marketAddress, paidOffer, quorumAddress } from './chain-logs.ts';
export { EngineProcess } from './engine-process.ts';
export { ethToken, LocalMarket } from './local-market.ts';
export { startPostgres } from './postgres.ts';
export { SignerProcess } from './signer-process.ts';
