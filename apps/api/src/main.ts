#!/usr/bin/env node
import { pino } from 'pino';
import { InvalidSettingsError, readSettings, type Settings, settingsHelp } from './settings.ts';
import { startApi } from './start-api.ts';

const help = `cotrain-api: the GraphQL API: indexes the chain, matches offers to pools, bids, schedules, settles

Settings (environment):
${settingsHelp()}

It prints one line of JSON with its URL when it listens, and logs to standard error. SIGTERM ends it in order.
`;

/** Fields that are never written, whoever logs them. */
const redacted = ['token', 'signature', 'authorization', 'privateKey', 'password', 'secret'].flatMap((field) => [
  field,
  `*.${field}`,
  `*.*.${field}`,
]);

/** How long an orderly end may take before the process ends anyway. */
const shutdownMs = 40_000;

async function main(): Promise<void> {
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    console.log(help);
    return;
  }
  let settings: Settings;
  try {
    settings = readSettings(process.env);
  } catch (error) {
    if (!(error instanceof InvalidSettingsError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
    return;
  }
  const logger = pino(
    { level: settings.LOG_LEVEL, name: 'api', redact: { paths: redacted, censor: '[redacted]' } },
    pino.destination(2),
  );
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      logger.info({ signal }, 'stopping');
      stop.abort();
    });
  }
  const api = await startApi({
    databaseUrl: settings.DATABASE_URL,
    pgliteFolder: settings.API_PGLITE_FOLDER,
    rpcUrl: settings.API_RPC_URL,
    deployment: settings.deployment,
    swarmUrl: settings.API_SWARM_URL,
    signerUrl: settings.API_SIGNER_URL,
    signerToken: settings.signerToken,
    host: settings.API_HOST,
    port: settings.API_PORT,
    publicUrl: settings.API_PUBLIC_URL,
    webOrigins: settings.API_WEB_ORIGINS,
    trustedProxies: settings.API_TRUSTED_PROXIES,
    workFolder: settings.API_WORK_FOLDER,
    trainerCommands: { ...settings.API_POOL_TRAINER_COMMANDS, default: settings.API_TRAINER_COMMAND },
    validators: settings.API_VALIDATORS,
    keeper: settings.API_KEEPER ?? null,
    awardConfirmations: settings.API_AWARD_CONFIRMATIONS,
    pollMs: settings.API_POLL_MS,
    introspection: settings.API_INTROSPECTION === 'true',
    logger,
  });
  console.log(JSON.stringify({ url: api.url, graphqlUrl: api.graphqlUrl }));
  logger.info({ url: api.url, database: api.context.database.kind }, 'listening');
  if (!stop.signal.aborted)
    await new Promise<void>((resolve) => {
      stop.signal.addEventListener('abort', () => {
        resolve();
      });
    });
  setTimeout(() => {
    logger.warn({ afterMs: shutdownMs }, 'an orderly end took too long');
    process.exit(1);
  }, shutdownMs).unref();
  await api.close();
  logger.info({}, 'stopped');
}

try {
  await main();
} catch (error) {
  console.error(`The API cannot run: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
