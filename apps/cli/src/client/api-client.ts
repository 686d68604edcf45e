import { setTimeout as delay } from 'node:timers/promises';
import { type BaseWallet, getAddress } from 'ethers';
import { createClient } from 'graphql-ws';
import { SiweMessage } from 'siwe';
import WebSocket from 'ws';
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
} as const;

/** Speaks GraphQL with the API. */
export class ApiClient {
  private token: string | undefined;

  constructor(readonly graphqlUrl: string) {}

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
    const { data, errors } = (await response.json()) as { data?: T; errors?: { message: string }[] };
    if (errors !== undefined && errors.length > 0)
      throw new CommandError(exitCodes.failure, `The API refuses: ${errors.map((error) => error.message).join('; ')}`);
    if (data === undefined)
      throw new CommandError(exitCodes.unavailable, `The API answered ${String(response.status)} without data.`);
    return data;
  }

  /** Runs a mutation whose result is a union; failures become errors. The selection must ask for __typename and message. */
  async mutate<T>(name: string, document: string, variables: Record<string, unknown> = {}): Promise<T> {
    const data = await this.query<Record<string, Failure>>(document, variables);
    const result = data[name];
    const code = result === undefined ? undefined : failureCodes[result.__typename as keyof typeof failureCodes];
    if (result === undefined || code !== undefined)
      throw new CommandError(code ?? exitCodes.failure, result?.message ?? `${name} gave no result.`);
    return result as T;
  }

  /** Signs in with Ethereum; later calls carry the token. */
  async signIn(wallet: BaseWallet, chainId: number, domain = 'localhost'): Promise<void> {
    const { signInNonce } = await this.query<{ signInNonce: string }>('mutation { signInNonce }');
    const message = new SiweMessage({
      domain,
      address: getAddress(wallet.address),
      statement: 'Sign in to Cotrain',
      uri: this.graphqlUrl,
      version: '1',
      chainId,
      nonce: signInNonce,
    }).prepareMessage();
    const session = await this.mutate<{ token: string }>(
      'signIn',
      'mutation ($message: String!, $signature: String!) { signIn(message: $message, signature: $signature) { __typename ... on SignInSession { token } ... on ValidationError { message } } }',
      { message, signature: await wallet.signMessage(message) },
    );
    this.token = session.token;
  }

  /** Asks for a transaction to sign: `call` is a mutation's name with its arguments. */
  prepare(
    name: string,
    argumentList: string,
    variableList: string,
    variables: Record<string, unknown>,
  ): Promise<UnsignedTransaction> {
    const failures = ['UnauthenticatedError', 'ForbiddenError', 'NotFoundError', 'ValidationError']
      .map((type) => `... on ${type} { message }`)
      .join(' ');
    const list = (text: string): string => (text === '' ? '' : `(${text})`);
    return this.mutate(
      name,
      `mutation ${list(variableList)} { ${name}${list(argumentList)} { __typename ... on UnsignedTransaction { chainId to data valueWei summary } ${failures} } }`,
      variables,
    );
  }

  /** Results of a subscription until the signal. */
  async *subscribe<T>(document: string, variables: Record<string, unknown>, signal: AbortSignal): AsyncGenerator<T> {
    const client = createClient({
      url: this.graphqlUrl.replace(/^http/, 'ws'),
      webSocketImpl: WebSocket,
      retryAttempts: 10,
    });
    const results = client.iterate<T>({ query: document, variables });
    const stop = (): void => {
      void client.dispose();
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      for await (const { data, errors } of results) {
        if (errors !== undefined)
          throw new CommandError(exitCodes.failure, errors.map((error) => error.message).join('; '));
        if (data != null) yield data;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      await client.dispose();
    }
  }

  /** Asks again until `done` holds. @throws CommandError after `timeoutMs` */
  async waitFor<T>(
    what: string,
    question: () => Promise<T>,
    done: (answer: T) => boolean,
    timeoutMs: number,
  ): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
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
