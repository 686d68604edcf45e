import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { policySchema, type SigningPolicy } from './policy.ts';

/** A setting is missing or wrong. The message names it and never holds a secret. */
export class InvalidSettingError extends Error {
  override readonly name = 'InvalidSettingError';
  readonly retryable = false;
}

const environment = z.object({
  SIGNER_RPC_URL: z.url(),
  SIGNER_KEYS_FILE: z.string().min(1),
  SIGNER_TOKEN_FILE: z.string().min(1),
  SIGNER_POLICY_FILE: z.string().min(1),
  SIGNER_STATE_FOLDER: z.string().min(1),
  SIGNER_DATABASE_URL: z.string().min(1).optional(),
  SIGNER_HOST: z.union([z.ipv4(), z.ipv6()]).default('127.0.0.1'),
  SIGNER_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  SIGNER_CONFIRMATIONS: z.coerce.number().int().min(0).max(1_000).default(2),
  SIGNER_POLL_MS: z.coerce.number().int().min(10).max(600_000).default(1_000),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn']).default('info'),
});
export type SignerSettings = z.infer<typeof environment> & { keys: string[]; token: string; policy: SigningPolicy };

/** What to write where there is nothing; `--help` says more. */
const remedies: Record<string, string> = {
  SIGNER_RPC_URL: "set it to the chain's JSON-RPC endpoint, such as http://127.0.0.1:8545",
  SIGNER_KEYS_FILE: 'name a JSON list of private keys with mode 0600',
  SIGNER_TOKEN_FILE: 'name a file with a long random token and mode 0600, the same as API_SIGNER_TOKEN_FILE',
  SIGNER_POLICY_FILE: 'name a policy, as `node signer/main.js policy DEPLOYMENT_FILE --max-bond ETHER` prints one',
  SIGNER_STATE_FOLDER: 'name a folder for the journal of intents',
};

const keysSchema = z
  .array(z.string().regex(/^0x[0-9a-fA-F]{64}$/))
  .min(1)
  .max(100);
const minTokenLength = 16;

/** Reads all settings and the files that they name. @throws InvalidSettingError naming every one that is wrong */
export function readSettings(env: NodeJS.ProcessEnv): SignerSettings {
  const parsed = environment.safeParse(env);
  if (!parsed.success)
    throw new InvalidSettingError(
      parsed.error.issues
        .map(({ path, message }) => {
          const name = path.join('.');
          const missing = (env[name] ?? '') === '';
          // The value is not shown: that of SIGNER_DATABASE_URL holds a password.
          return missing ? `${name} is missing: ${remedies[name] ?? 'set it'}.` : `${name} cannot be used: ${message}.`;
        })
        .join('\n'),
    );
  const settings = parsed.data;
  const token = readSecret('SIGNER_TOKEN_FILE', settings.SIGNER_TOKEN_FILE);
  if (token.length < minTokenLength)
    throw new InvalidSettingError(
      `SIGNER_TOKEN_FILE: the token has ${String(token.length)} characters; use at least ${String(minTokenLength)}.`,
    );
  return {
    ...settings,
    token,
    keys: parseJson('SIGNER_KEYS_FILE', readSecret('SIGNER_KEYS_FILE', settings.SIGNER_KEYS_FILE), keysSchema),
    policy: readPolicy(settings.SIGNER_POLICY_FILE),
  };
}

/** A secret that others may read is no secret. */
function readSecret(setting: string, file: string): string {
  const mode = modeOf(setting, file);
  if ((mode & 0o077) !== 0)
    throw new InvalidSettingError(
      `${setting}: ${file} has mode ${mode.toString(8)}, so others can read it. Run chmod 600 ${file}.`,
    );
  return readFileSync(file, 'utf8').trim();
}

/** A policy that others may write is no limit. */
function readPolicy(file: string): SigningPolicy {
  const mode = modeOf('SIGNER_POLICY_FILE', file);
  if ((mode & 0o022) !== 0)
    throw new InvalidSettingError(
      `SIGNER_POLICY_FILE: ${file} has mode ${mode.toString(8)}, so others can change it. Run chmod 600 ${file}.`,
    );
  return parseJson('SIGNER_POLICY_FILE', readFileSync(file, 'utf8'), policySchema);
}

function modeOf(setting: string, file: string): number {
  try {
    return statSync(file).mode & 0o777;
  } catch (cause) {
    throw new InvalidSettingError(
      `${setting}: ${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? ''}.`,
      {
        cause,
      },
    );
  }
}

/** Neither the parser's nor the schema's error is passed on as cause: they may quote the file. */
function parseJson<T>(setting: string, text: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new InvalidSettingError(`${setting}: the file holds no JSON.`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues.map(({ path, code }) => `${path.map(String).join('.') || 'the whole'} (${code})`);
  throw new InvalidSettingError(`${setting}: wrong in ${where.slice(0, 5).join(', ')}.`);
}
