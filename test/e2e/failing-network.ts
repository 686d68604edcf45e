import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A way to an endpoint that can be cut and mended. */
export class FailingNetwork {
  private readonly sockets = new Set<Socket>();
  private isCut = false;

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async before(target: string): Promise<FailingNetwork> {
    const { hostname, port } = new URL(target);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const network = new FailingNetwork(server, `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`);
    server.on('connection', (socket) => {
      network.accept(socket, hostname, Number(port));
    });
    return network;
  }

  /** Ends every connection and takes no new one. */
  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.isCut = false;
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  private accept(socket: Socket, host: string, port: number): void {
    if (this.isCut) {
      socket.destroy();
      return;
    }
    const target = connect(port, host);
    for (const [one, other] of [
      [socket, target],
      [target, socket],
    ] as const) {
      this.sockets.add(one);
      one.on('close', () => {
        this.sockets.delete(one);
        other.destroy();
      });
      // A cut shows as a closed connection, which is dealt with above.
      one.on('error', () => undefined);
      one.pipe(other);
    }
  }
}
