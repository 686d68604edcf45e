#!/usr/bin/env node
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FileIntentStore, sampledQuorumAbi, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import { JsonRpcProvider } from 'ethers';
import { pino } from 'pino';
import { z } from 'zod';
import { policySchema } from './policy.ts';
import { startSigner } from './signer-server.ts';

const help = `cotrain-signer: holds the keys of pools and validators, signs what its policy allows

Settings (environment):
  SIGNER_RPC_URL        the chain's JSON-RPC endpoint
  SIGNER_KEYS_FILE      JSON list of private keys; readable by its owner only (mode 0600)
  SIGNER_TOKEN_FILE     bearer token that callers must present (mode 0600)
  SIGNER_POLICY_FILE    JSON: {"allow": [{"to", "selector", "name", "maxValueWei"}], "dailyValueWei"}
  SIGNER_STATE_FOLDER   where the journal of intents is kept
  SIGNER_PORT           port on 127.0.0.1 (default 0: any; the first line of output names it)
  SIGNER_CONFIRMATIONS  blocks before a transaction is final (default 2)
  SIGNER_POLL_MS        how often the chain is asked (default 1000)
  LOG_LEVEL             debug, info (default), warn
`;

const environment = z.object({
  SIGNER_RPC_URL: z.url(),
  SIGNER_KEYS_FILE: z.string().min(1),
  SIGNER_TOKEN_FILE: z.string().min(1),
  SIGNER_POLICY_FILE: z.string().min(1),
  SIGNER_STATE_FOLDER: z.string().min(1),
  SIGNER_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  SIGNER_CONFIRMATIONS: z.coerce.number().int().min(0).max(1_000).default(2),
  SIGNER_POLL_MS: z.coerce.number().int().min(10).max(600_000).default(1_000),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn']).default('info'),
});

/** A secret that others may read is no secret: refuse to start. */
function readSecret(file: string): string {
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) !== 0) throw new Error(`${file} has mode ${mode.toString(8)}: others can read it. Run chmod 600.`);
  return readFileSync(file, 'utf8').trim();
}

async function main(): Promise<void> {
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    console.log(help);
    return;
  }
  const parsed = environment.safeParse(process.env);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) console.error(`${issue.path.join('.')}: ${issue.message}`);
    console.error(help);
    process.exitCode = 2;
    return;
  }
  const settings = parsed.data;
  const logger = pino({ level: settings.LOG_LEVEL, name: 'signer' }, pino.destination(2));
  const keys = z
    .array(z.string().regex(/^0x[0-9a-fA-F]{64}$/))
    .min(1)
    .max(100)
    .parse(JSON.parse(readSecret(settings.SIGNER_KEYS_FILE)));
  const provider = new JsonRpcProvider(settings.SIGNER_RPC_URL, undefined, { cacheTimeout: -1, staticNetwork: true });
  const store = await FileIntentStore.open(join(settings.SIGNER_STATE_FOLDER, 'intents.jsonl'));
  const signer = await startSigner({
    provider,
    keys,
    store,
    policy: policySchema.parse(JSON.parse(readFileSync(settings.SIGNER_POLICY_FILE, 'utf8'))),
    token: readSecret(settings.SIGNER_TOKEN_FILE),
    logger,
    errorAbi: [...trainingMarketAbi, ...trainerRegistryAbi, ...sampledQuorumAbi].filter(
      (entry) => entry.type === 'error',
    ),
    port: settings.SIGNER_PORT,
    confirmations: settings.SIGNER_CONFIRMATIONS,
    pollMs: settings.SIGNER_POLL_MS,
  });
  console.log(JSON.stringify({ url: signer.url }));
  const stop = (): void => {
    signer
      .close()
      .then(() => store.close())
      .then(() => process.exit(0))
      .catch((error: unknown) => {
        logger.warn({ error: String(error) }, 'shutdown failed');
        process.exit(1);
      });
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

await main();
