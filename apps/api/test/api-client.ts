/* eslint-disable @typescript-eslint/no-explicit-any -- answers have the shape of their query, which only the test knows */
import type { BaseWallet } from 'ethers';
import { createClient, type Client } from 'graphql-ws';
import WebSocket from 'ws';

export interface GraphqlError {
  message: string;
  extensions: { code?: string; errorId?: string } & Record<string, unknown>;
}

export interface GraphqlAnswer {
  status: number;
  data: Record<string, any> | null;
  errors: GraphqlError[];
}

/** A client as a front end would be: HTTP and WebSocket, nothing of the API's insides. */
export class TestClient {
  token: string | undefined;

  constructor(readonly graphqlUrl: string) {}

  async post(body: unknown, headers: Record<string, string> = {}): Promise<GraphqlAnswer> {
    const response = await fetch(this.graphqlUrl, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    let answer: { data?: GraphqlAnswer['data']; errors?: GraphqlError[] } = {};
    try {
      answer = JSON.parse(text) as typeof answer;
    } catch {
      answer = { errors: [{ message: text, extensions: {} }] };
    }
    return { status: response.status, data: answer.data ?? null, errors: answer.errors ?? [] };
  }

  ask(query: string, variables: Record<string, unknown> = {}): Promise<GraphqlAnswer> {
    return this.post({ query, variables });
  }

  /** The data of a query that is expected to succeed. */
  async data(query: string, variables: Record<string, unknown> = {}): Promise<NonNullable<GraphqlAnswer['data']>> {
    const { data, errors } = await this.ask(query, variables);
    if (data === null || errors.length > 0) throw new Error(`${query} failed: ${JSON.stringify(errors)}`);
    return data;
  }

  /** Result of a mutation that returns a union. */
  async mutate(
    call: string,
    fields: string,
    variables: Record<string, unknown> = {},
    declared = '',
  ): Promise<Record<string, any>> {
    const data = await this.data(
      `mutation ${declared} { result: ${call} { __typename ${fields} ... on Failure { message } ... on ValidationError { field } ... on ContractRefusalError { reason } } }`,
      variables,
    );
    return data['result'] as Record<string, unknown>;
  }

  async signIn(wallet: BaseWallet): Promise<this> {
    const { signInMessage } = await this.data('mutation ($a: Address!) { signInMessage(address: $a) }', {
      a: wallet.address,
    });
    const result = await this.submitSignIn(signInMessage as string, await wallet.signMessage(signInMessage as string));
    if (result['__typename'] !== 'SignInSession') throw new Error(JSON.stringify(result));
    this.token = result['token'] as string;
    return this;
  }

  submitSignIn(message: string, signature: string): Promise<Record<string, any>> {
    return this.mutate(
      'signIn(message: $message, signature: $signature)',
      '... on SignInSession { token address expiresAt }',
      { message, signature },
      '($message: String!, $signature: Bytes!)',
    );
  }

  socket(): Client {
    return createClient({
      url: this.graphqlUrl.replace(/^http/, 'ws'),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      lazy: true,
    });
  }
}

/** Waits until something holds, looking often. */
export async function eventually<T>(
  question: () => Promise<T> | T,
  holds: (answer: T) => boolean = Boolean,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await question();
    if (holds(answer)) return answer;
    if (performance.now() > deadline)
      throw new Error(`It did not happen; last seen: ${String(JSON.stringify(answer))}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
