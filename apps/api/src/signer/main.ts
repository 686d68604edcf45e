#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  InvalidDeploymentError,
  parseDeployment,
  sampledQuorumAbi,
  trainerRegistryAbi,
  trainingMarketAbi,
} from '@cotrain/chain';
import { JsonRpcProvider, parseEther } from 'ethers';
import { pino } from 'pino';
import { defaultPolicy } from './default-policy.ts';
import { openIntentStorage } from './intent-storage.ts';
import { InvalidSettingError, readSettings } from './settings.ts';
import { startSigner } from './signer-server.ts';

const help = `cotrain-signer: holds the keys of pools and validators, signs what its policy allows

  node signer/main.js                                          run it
  node signer/main.js policy DEPLOYMENT_FILE --max-bond ETHER  print the policy for a deployment's market

Settings (environment):
  SIGNER_RPC_URL        the chain's JSON-RPC endpoint
  SIGNER_KEYS_FILE      JSON list of private keys; readable by its owner only (mode 0600)
  SIGNER_TOKEN_FILE     bearer token that callers must present (mode 0600)
  SIGNER_POLICY_FILE    JSON: {"allow": [{"to", "selector", "name", "maxValueWei"}], "dailyValueWei"}
  SIGNER_STATE_FOLDER   where the journal of intents is kept
  SIGNER_DATABASE_URL   PostgreSQL instead of the journal; several signers may then stand by, one of them signs
  SIGNER_HOST           address to listen on (default 127.0.0.1); it speaks plain HTTP, so any other only inside a
                        private network or behind a TLS tunnel
  SIGNER_PORT           port (default 0: any; the first line of output names it)
  SIGNER_CONFIRMATIONS  blocks before a transaction is final (default 2)
  SIGNER_POLL_MS        how often the chain is asked (default 1000)
  LOG_LEVEL             debug, info (default), warn
`;

/** Prints the policy of what pools, validators and keepers do. */
function printPolicy(args: string[]): void {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { 'max-bond': { type: 'string' } },
  });
  const [file] = positionals;
  const maxBond = values['max-bond'];
  if (file === undefined || positionals.length !== 1)
    throw new InvalidSettingError('policy: name one deployment file, as the deployment of the contracts wrote it.');
  if (maxBond === undefined || !/^\d+(\.\d{1,18})?$/.test(maxBond))
    throw new InvalidSettingError(
      `--max-bond is ${maxBond ?? 'missing'}: give the largest bond of a bid in ETH, like 0.5.`,
    );
  const deployment = parseDeployment(JSON.parse(readFileSync(file, 'utf8')), file);
  console.log(JSON.stringify(defaultPolicy(deployment, parseEther(maxBond)), null, 2));
}

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const logger = pino({ level: settings.LOG_LEVEL, name: 'signer' }, pino.destination(2));
  const provider = new JsonRpcProvider(settings.SIGNER_RPC_URL, undefined, { cacheTimeout: -1, staticNetwork: true });
  const storage = await openIntentStorage({
    databaseUrl: settings.SIGNER_DATABASE_URL,
    stateFolder: settings.SIGNER_STATE_FOLDER,
  });
  const signer = await startSigner({
    provider,
    keys: settings.keys,
    store: storage.store,
    ...(storage.lease === undefined ? {} : { lease: storage.lease }),
    policy: settings.policy,
    token: settings.token,
    logger,
    errorAbi: [...trainingMarketAbi, ...trainerRegistryAbi, ...sampledQuorumAbi].filter(
      (entry) => entry.type === 'error',
    ),
    host: settings.SIGNER_HOST,
    port: settings.SIGNER_PORT,
    confirmations: settings.SIGNER_CONFIRMATIONS,
    pollMs: settings.SIGNER_POLL_MS,
  });
  console.log(JSON.stringify({ url: signer.url }));
  const stop = (): void => {
    signer
      .close()
      .then(() => storage.close())
      .then(() => process.exit(0))
      .catch((error: unknown) => {
        logger.warn({ error: String(error) }, 'shutdown failed');
        process.exit(1);
      });
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

if (process.argv.includes('--help') || process.argv.includes('-h')) console.log(help);
else
  try {
    if (process.argv[2] === 'policy') printPolicy(process.argv.slice(3));
    else await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    if (error instanceof InvalidSettingError) console.error(`\n${help}`);
    process.exit(error instanceof InvalidSettingError || error instanceof InvalidDeploymentError ? 2 : 1);
  }
