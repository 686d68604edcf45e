import { setTimeout as delay } from 'node:timers/promises';
import { type BaseWallet, getAddress } from 'ethers';
import { SiweMessage } from 'siwe';
import { CommandError, exitCodes } from './errors.ts';

/** A transaction that the API prepared for its caller to sign. */
export interface UnsignedTransaction {
  chainId: number;
  to: string;
  data: string;
  valueWei: string;
  summary: string;
}

interface Failure {
  __typename: string;
  message?: string;
}

const failureCodes = {
  UnauthenticatedError: exitCodes.forbidden,
  ForbiddenError: exitCodes.forbidden,
  NotFoundError: exitCodes.notFound,
  ValidationError: exitCodes.usage,
  ContractRefusalError: exitCodes.failure,
  UnavailableError: exitCodes.unavailable,
} as const;

interface Refusal {
  message: string;
  extensions?: { code?: string };
}

/** GraphQL errors that say that the question was wrong, not the answer. */
const usageErrors = new Set(['BAD_USER_INPUT', 'GRAPHQL_VALIDATION_FAILED', 'GRAPHQL_PARSE_FAILED']);
const forbiddenErrors = new Set(['UNAUTHENTICATED', 'FORBIDDEN']);

/** Speaks GraphQL with the API. */
export class ApiClient {
  private token: string | undefined;
  private readonly domain: string;

  /** @param domain that the API's sign-in messages name; the host of its URL unless given */
  constructor(
    readonly graphqlUrl: string,
    domain?: string,
  ) {
    this.domain = domain ?? new URL(graphqlUrl).host;
  }

  /** Runs a query or mutation. @throws CommandError when the API is unreachable or refuses the document */
  async query<T>(document: string, variables: Record<string, unknown> = {}): Promise<T> {
    let response: Response;
    try {
      response = await fetch(this.graphqlUrl, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
        },
        body: JSON.stringify({ query: document, variables }),
        signal: AbortSignal.timeout(30_000),
      });
    } catch (cause) {
      throw new CommandError(
        exitCodes.unavailable,
        `The API at ${this.graphqlUrl} does not answer. Is it running (\`cotrain up\`), and is --api right?`,
        { cause },
      );
    }
    let answer: { data?: T | null; errors?: Refusal[] };
    try {
      answer = (await response.json()) as typeof answer;
    } catch (cause) {
      throw new CommandError(
        exitCodes.unavailable,
        `${this.graphqlUrl} answers with status ${String(response.status)} and something other than GraphQL. ${this.remedy()}`,
        { cause },
      );
    }
    const { data, errors = [] } = answer;
    if (errors.length > 0) throw refused(errors);
    if (data == null)
      throw new CommandError(
        exitCodes.unavailable,
        `${this.graphqlUrl} answers with status ${String(response.status)} and without data. ${this.remedy()}`,
      );
    return data;
  }

  /** What to do about a URL at which there is no GraphQL. */
  private remedy(): string {
    const { origin, pathname } = new URL(this.graphqlUrl);
    return pathname === '/' ? `The URL of an API has a path: is it --api ${origin}/graphql?` : 'Is --api right?';
  }

  /** Runs a mutation whose result is a union; failures become errors. The selection must ask for __typename and message. */
  async mutate<T>(name: string, document: string, variables: Record<string, unknown> = {}): Promise<T> {
    const data = await this.query<Record<string, Failure>>(document, variables);
    const result = data[name];
    const code = result === undefined ? undefined : failureCodes[result.__typename as keyof typeof failureCodes];
    if (result === undefined || code !== undefined)
      throw new CommandError(code ?? exitCodes.failure, withFlag(result?.message) ?? `${name} gave no result.`);
    return result as T;
  }

  /** Signs in with Ethereum; later calls carry the token, which is returned. */
  async signIn(wallet: BaseWallet, chainId: number): Promise<string> {
    const { signInNonce } = await this.query<{ signInNonce: string }>('mutation { signInNonce }');
    const message = new SiweMessage({
      domain: this.domain,
      address: getAddress(wallet.address),
      statement: 'Sign in to Cotrain',
      uri: this.graphqlUrl,
      version: '1',
      chainId,
      nonce: signInNonce,
    }).prepareMessage();
    const session = await this.mutate<{ token: string }>(
      'signIn',
      'mutation ($message: String!, $signature: Bytes!) { signIn(message: $message, signature: $signature) { __typename ... on SignInSession { token } ... on Failure { message } } }',
      { message, signature: await wallet.signMessage(message) },
    );
    this.token = session.token;
    return session.token;
  }

  /** Asks for a transaction to sign: `call` is a mutation's name with its arguments. */
  prepare(
    name: string,
    argumentList: string,
    variableList: string,
    variables: Record<string, unknown>,
  ): Promise<UnsignedTransaction> {
    const list = (text: string): string => (text === '' ? '' : `(${text})`);
    return this.mutate(
      name,
      `mutation ${list(variableList)} { ${name}${list(argumentList)} { __typename ... on UnsignedTransaction { chainId to data valueWei summary } ... on Failure { message } } }`,
      variables,
    );
  }

  /** Asks again until `done` holds. @throws CommandError after `timeoutMs`, or with exit code 130 after `signal` */
  async waitFor<T>(
    what: string,
    question: () => Promise<T>,
    done: (answer: T) => boolean,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (signal?.aborted === true) throw new CommandError(exitCodes.interrupted, 'Interrupted.');
      const answer = await question();
      if (done(answer)) return answer;
      if (performance.now() > deadline)
        throw new CommandError(
          exitCodes.failure,
          `Waited ${String(Math.round(timeoutMs / 1000))} s for ${what}; it did not happen.`,
        );
      await delay(250);
    }
  }
}

/** The flags whose values become these fields of the API. */
const flagsByField: Record<string, string> = {
  name: '--name',
  wallet: '--key-file',
  gpuCount: '--gpu-count',
  gpuMemoryMiB: '--gpu-memory-mib',
  floorPriceWeiPerGpuHour: '--floor-price',
  tokens: '--token',
  token: '--token',
  marginBps: '--margin',
  backends: '--backend',
  windows: '--hours',
  payers: '--payer',
  units: '--payer',
  rewardWei: '--reward',
  validationFeeWei: '--validation-fee',
  minStakeWei: '--stake',
  fundingWindow: '--funding-window',
  bidWindow: '--bid-window',
  startWindow: '--start-window',
  trainingWindow: '--training-window',
  challengeWindow: '--challenge-window',
  segment: '--segment',
};

/** A refusal that begins with the API's field, as `windows.0.timeZone: ...`, begins with the flag instead. */
export function withFlag(message: string | undefined): string | undefined {
  return message?.replace(/^([A-Za-z]+)(\.[\w.]+)?: /, (whole, field: string, rest: string | undefined) => {
    const flag = Object.hasOwn(flagsByField, field) ? flagsByField[field] : undefined;
    return flag === undefined ? whole : `${flag}${rest === undefined ? '' : ` (${rest.slice(1)})`}: `;
  });
}

function refused(errors: readonly Refusal[]): CommandError {
  const code = errors[0]?.extensions?.code ?? '';
  const exitCode = usageErrors.has(code)
    ? exitCodes.usage
    : forbiddenErrors.has(code)
      ? exitCodes.forbidden
      : exitCodes.failure;
  return new CommandError(exitCode, `The API refuses: ${errors.map((error) => error.message).join('; ')}`);
}
