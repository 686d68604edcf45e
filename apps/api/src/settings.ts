import { readFileSync, statSync } from 'node:fs';
import { type Deployment, parseDeployment } from '@cotrain/chain';
import { getAddress } from 'ethers';
import { z } from 'zod';

/** Settings that are missing or wrong; the message has one line for each, with its remedy. */
export class InvalidSettingsError extends Error {
  override readonly name = 'InvalidSettingsError';
  readonly retryable = false;

  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

interface Setting {
  schema: z.ZodType;
  /** What it is, for the help. */
  meaning: string;
  /** What to write when it is wrong. */
  remedy: string;
  /** Its value is not shown. */
  secret?: true;
}

const file = z.string().min(1);
const url = z.url({ protocol: /^https?$/ });
const origin = url.refine((text) => URL.parse(text)?.origin === text, 'has a path or ends in a slash');
const list = <T>(item: z.ZodType<T>): z.ZodType<T[]> =>
  z
    .string()
    .transform((text) => text.split(',').map((each) => each.trim()))
    .transform((texts) => texts.filter((each) => each !== ''))
    .pipe(z.array(item as z.ZodType<T, string>));
const address = z.string().transform((text, context) => {
  try {
    return getAddress(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'is no address, or its checksum is wrong' });
    return z.NEVER;
  }
});
const whole = (from: number, to: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'is no whole number')
    .transform(Number)
    .pipe(z.number().min(from).max(to));
const json = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'is no JSON' });
    return z.NEVER;
  }
});
const command = z.array(z.string().min(1)).min(1);

/** Every variable of the API server. docs/operating.md has the same table, checked by a test. */
export const settingsTable = {
  DATABASE_URL: {
    schema: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
    meaning: 'PostgreSQL; without it the embedded PGlite is used, for one process only',
    remedy: 'write postgresql://USER:PASSWORD@HOST:5432/DATABASE, or unset it for the embedded database',
    secret: true,
  },
  API_PGLITE_FOLDER: {
    schema: file.optional(),
    meaning: 'folder of the embedded database; without it and DATABASE_URL, everything is lost at the end',
    remedy: 'name a folder that may be written to',
  },
  API_RPC_URL: {
    schema: url,
    meaning: "the chain's JSON-RPC endpoint",
    remedy: 'write an http:// or https:// URL',
    secret: true,
  },
  API_DEPLOYMENT_FILE: {
    schema: file,
    meaning: 'JSON file with chain id and contract addresses, as the deployment writes it',
    remedy: 'name the file <chain id>.json that the deployment wrote',
  },
  API_SWARM_URL: {
    schema: url,
    meaning: 'HTTP API of a Bee node or of the embedded store; clients are told of it too',
    remedy: 'write an http:// or https:// URL without a password',
  },
  API_SIGNER_URL: { schema: url, meaning: "the signer's HTTP endpoint", remedy: 'write an http:// or https:// URL' },
  API_SIGNER_TOKEN_FILE: {
    schema: file,
    meaning: "file with the signer's bearer token (mode 0600); the same on every replica",
    remedy: 'name the file that SIGNER_TOKEN_FILE names for the signer',
  },
  API_HOST: {
    schema: z.string().min(1).default('127.0.0.1'),
    meaning: 'interface to listen on',
    remedy: 'write an IP address; 0.0.0.0 for all interfaces',
  },
  API_PORT: {
    schema: whole(0, 65_535).default(4000),
    meaning: 'port to listen on; 0 for any',
    remedy: 'write 0 to 65535',
  },
  API_PUBLIC_URL: {
    schema: origin.optional(),
    meaning: 'origin under which clients reach the API; sign-in messages must name it',
    remedy: 'write https://HOST without a path',
  },
  API_WEB_ORIGINS: {
    schema: list(origin).default([]),
    meaning: 'origins of web pages that may call the API and that users sign in on, separated by commas',
    remedy: 'write https://HOST,https://OTHER without paths',
  },
  API_TRUSTED_PROXIES: {
    schema: whole(0, 10).default(0),
    meaning: "proxies in front of the API; the client's address is read from X-Forwarded-For that far",
    remedy: 'write 0 to 10',
  },
  API_WORK_FOLDER: {
    schema: file,
    meaning: 'folder in which jobs keep checkpoints and logs',
    remedy: 'name a folder that may be written to',
  },
  API_TRAINER_COMMAND: {
    schema: json.pipe(command),
    meaning: 'command that runs the trainer, as a JSON list',
    remedy: 'write ["node", "apps/trainer/dist/main.js"] or the like',
  },
  API_POOL_TRAINER_COMMANDS: {
    schema: json.pipe(z.record(z.string(), command)).default({}),
    meaning: 'commands of pools that have a trainer of their own, as a JSON object of lists by pool name',
    remedy: 'write {"POOL": ["node", "apps/trainer/dist/main.js"]} or the like',
  },
  API_VALIDATORS: {
    schema: list(address).default([]),
    meaning: 'accounts of the signer that do the duty of validators, separated by commas',
    remedy: 'write 0x addresses separated by commas',
  },
  API_KEEPER: {
    schema: address.optional(),
    meaning: 'account of the signer that pays for calls which anyone may make, such as timeouts',
    remedy: 'write a 0x address, or unset it to make only the calls of our own pools',
  },
  API_AWARD_CONFIRMATIONS: {
    schema: whole(0, 1_000).default(2),
    meaning: 'blocks on top of an award before its training starts',
    remedy: 'write 0 to 1000',
  },
  API_POLL_MS: {
    schema: whole(10, 600_000).default(1000),
    meaning: 'how often the chain is asked for new blocks, in milliseconds',
    remedy: 'write 10 to 600000',
  },
  API_INTROSPECTION: {
    schema: z.enum(['true', 'false']).default('true'),
    meaning: 'whether the schema can be asked for',
    remedy: 'write true or false',
  },
  LOG_LEVEL: {
    schema: z.enum(['debug', 'info', 'warn']).default('info'),
    meaning: 'least important lines that are logged',
    remedy: 'write debug, info or warn',
  },
} as const satisfies Record<string, Setting>;

type Table = typeof settingsTable;
/** Settings after parsing, with the files that they name read. */
export type Settings = { [Name in keyof Table]: z.output<Table[Name]['schema']> } & {
  deployment: Deployment;
  signerToken: string;
};

/**
 * Reads the settings once, at the start. An empty variable counts as unset.
 * @throws InvalidSettingsError naming each variable, its value and the remedy
 */
export function readSettings(environment: Record<string, string | undefined>): Settings {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries<Setting>(settingsTable)) {
    const given = environment[name] === '' ? undefined : environment[name];
    const parsed = setting.schema.safeParse(given);
    if (parsed.success) values[name] = parsed.data;
    else if (given === undefined) problems.push(`${name} is missing (${setting.meaning}): ${setting.remedy}.`);
    else {
      const shown = setting.secret === true ? 'has a value that' : `is "${given.slice(0, 100)}", which`;
      problems.push(`${name} ${shown} cannot be used: ${setting.remedy}.`);
    }
  }
  const readFrom = <T>(name: keyof Table, read: (path: string) => T): T | undefined => {
    const path = values[name];
    if (typeof path !== 'string') return undefined;
    try {
      return read(path);
    } catch (error) {
      problems.push(`${name} is "${path}": ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  const deployment = readFrom('API_DEPLOYMENT_FILE', readDeployment);
  const signerToken = readFrom('API_SIGNER_TOKEN_FILE', readSecret);
  if (problems.length > 0) throw new InvalidSettingsError(problems);
  return { ...values, deployment, signerToken } as Settings;
}

function readDeployment(path: string): Deployment {
  return parseDeployment(JSON.parse(readFileSync(path, 'utf8')) as unknown, path);
}

/** A secret that others may read is no secret. */
function readSecret(path: string): string {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) throw new Error(`it has mode ${mode.toString(8)}, so others can read it. Run chmod 600.`);
  const secret = readFileSync(path, 'utf8').trim();
  if (secret.length < 16) throw new Error('it holds fewer than 16 characters. Write a long random token.');
  return secret;
}

/** The variables as lines of a help text. */
export function settingsHelp(): string {
  return Object.entries<Setting>(settingsTable)
    .map(([name, { schema, meaning }]) => {
      const unset = schema.safeParse(undefined);
      const fallback = unset.success
        ? unset.data === undefined || (typeof unset.data === 'object' && Object.keys(unset.data ?? {}).length === 0)
          ? ' (optional)'
          : ` (default ${String(unset.data)})`
        : '';
      return `  ${name.padEnd(24)} ${meaning}${fallback}`;
    })
    .join('\n');
}
