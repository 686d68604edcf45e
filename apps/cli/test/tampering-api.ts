import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** An API that answers what the real one does, altered: what a deployment of a stranger may do. */
export class TamperingApi {
  private constructor(
    readonly graphqlUrl: string,
    readonly close: () => void,
  ) {}

  /**
   * @param tamper alters the data of every answer
   * @param token of a session with the real API; callers then sign in here, with whatever message
   */
  static async start(
    realUrl: string,
    tamper: (data: Record<string, unknown>) => void,
    token?: string,
  ): Promise<TamperingApi> {
    const server = createServer((request, response) => {
      const answer = async (): Promise<string> => {
        const authorization = token === undefined ? request.headers.authorization : `Bearer ${token}`;
        const real = await fetch(realUrl, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) },
          body: await text(request),
        });
        const body = (await real.json()) as { data?: Record<string, unknown> | null };
        const { data } = body;
        if (data != null) {
          if (token !== undefined && 'signIn' in data) data['signIn'] = { __typename: 'SignInSession', token };
          tamper(data);
        }
        return JSON.stringify(body);
      };
      response.setHeader('content-type', 'application/json');
      answer().then(
        (body) => response.end(body),
        (error: unknown) => response.writeHead(502).end(String(error)),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return new TamperingApi(`http://127.0.0.1:${String(port)}/graphql`, () => {
      server.close();
      server.closeAllConnections();
    });
  }
}
