import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A TCP proxy that can be cut and mended, for tests of what happens when a part is gone. */
export interface TcpProxy {
  port: number;
  /** Breaks all connections; `refuse` turns new ones away, `hang` takes them and says nothing. */
  cut(how?: 'refuse' | 'hang'): Promise<void>;
  mend(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a proxy in front of the port of a service on this machine. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let state: 'open' | 'hang' = 'open';
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined); // the other side is closed with it below
    socket.once('close', () => sockets.delete(socket));
  };
  const create = (): Server =>
    createServer((client) => {
      keep(client);
      if (state === 'hang') return;
      const target = connect(targetPort, '127.0.0.1');
      keep(target);
      client.pipe(target).pipe(client);
      client.once('close', () => target.destroy());
      target.once('close', () => client.destroy());
    });
  const listen = (server: Server, port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  const stop = (server: Server): Promise<void> =>
    new Promise((resolve) => {
      if (!server.listening) resolve();
      else
        server.close(() => {
          resolve();
        });
      for (const socket of sockets) socket.destroy();
    });
  let server = create();
  await listen(server, 0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async cut(how = 'refuse') {
      await stop(server);
      if (how === 'refuse') return;
      state = 'hang';
      server = create();
      await listen(server, port);
    },
    async mend() {
      await stop(server);
      state = 'open';
      server = create();
      await listen(server, port);
    },
    close: () => stop(server),
  };
}
