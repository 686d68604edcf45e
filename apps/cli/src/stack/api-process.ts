import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Logger } from '@cotrain/chain';
import { startService, type ServiceProcess } from './service-process.ts';
import type { SignerProcess } from './signer-process.ts';

/** The API as its own process. */
export interface ApiProcess extends ServiceProcess {
  graphqlUrl: string;
}

export type LogLevel = 'debug' | 'info' | 'warn';

export interface ApiProcessOptions {
  /** Keeps its embedded database and its jobs. */
  folder: string;
  /** PostgreSQL instead of the embedded database. */
  databaseUrl?: string | undefined;
  rpcUrl: string;
  deploymentFile: string;
  swarmUrl: string;
  signer: Pick<SignerProcess, 'url' | 'tokenFile'>;
  /** 0 takes a free one. */
  port: number;
  trainerCommand: readonly string[];
  /** Trainer commands of single pools, by name. */
  poolTrainerCommands?: Record<string, readonly string[]> | undefined;
  /** Accounts of the signer that validate. */
  validators: readonly string[];
  /** Account of the signer that pays for calls that anyone may make. */
  keeper: string | null;
  awardConfirmations: number;
  pollMs: number;
  /** `/ready` waits for chain, store and signer too; `/health` for the API alone. */
  readyPath: '/health' | '/ready';
  logger: Logger;
  logLevel: LogLevel;
  /** The API died and a new one took its place. */
  onRestart?: () => void;
}

/** What its trainers need of our environment. Nothing else of it is passed on: there may be keys of the user in it. */
const passedOn = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'NODE_ENV', 'NODE_OPTIONS'];

/** Starts the API. @throws ServiceStartError */
export async function startApiProcess(options: ApiProcessOptions): Promise<ApiProcess> {
  const { folder, signer } = options;
  const environment: Record<string, string | undefined> = {
    ...Object.fromEntries(passedOn.map((name) => [name, process.env[name]])),
    DATABASE_URL: options.databaseUrl,
    API_PGLITE_FOLDER: join(folder, 'database'),
    API_RPC_URL: options.rpcUrl,
    API_DEPLOYMENT_FILE: options.deploymentFile,
    API_SWARM_URL: options.swarmUrl,
    API_SIGNER_URL: signer.url,
    API_SIGNER_TOKEN_FILE: signer.tokenFile,
    API_WORK_FOLDER: join(folder, 'jobs'),
    API_TRAINER_COMMAND: JSON.stringify(options.trainerCommand),
    API_POOL_TRAINER_COMMANDS: JSON.stringify(options.poolTrainerCommands ?? {}),
    API_VALIDATORS: options.validators.join(','),
    API_KEEPER: options.keeper ?? undefined,
    API_AWARD_CONFIRMATIONS: String(options.awardConfirmations),
    API_POLL_MS: String(options.pollMs),
    LOG_LEVEL: options.logLevel,
  };
  const service = await startService({
    name: 'The API',
    main: createRequire(import.meta.url).resolve('@cotrain/api/main.js'),
    environment,
    port: { variable: 'API_PORT', first: options.port },
    readyPath: options.readyPath,
    startTimeoutMs: 120_000,
    // It ends itself after 40 s at the latest.
    stopTimeoutMs: 45_000,
    logger: options.logger,
    onRestart: options.onRestart,
  });
  return { ...service, graphqlUrl: `${service.url}/graphql` };
}
