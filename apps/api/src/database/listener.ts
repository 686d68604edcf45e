import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

/**
 * Listens on a channel over a connection of its own, which is made again whenever it breaks. What is told meanwhile is
 * lost, so `onNotify` is also called after each connection.
 */
export class Listener {
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  /** @param channel a name of ours, never a user's text */
  constructor(connectionString: string, channel: string, onNotify: () => void, retryMs = 1_000) {
    this.running = this.run(connectionString, channel, onNotify, retryMs);
  }

  async close(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(connectionString: string, channel: string, onNotify: () => void, retryMs: number): Promise<void> {
    const { signal } = this.stopping;
    const closing = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        resolve();
      });
    });
    while (!signal.aborted) {
      const client = new pg.Client({ connectionString, keepAlive: true, connectionTimeoutMillis: 10_000 });
      const broken = new Promise<void>((resolve) => {
        client.once('end', resolve);
        client.on('error', () => {
          resolve();
        });
      });
      try {
        await client.connect();
        client.on('notification', onNotify);
        await client.query(`LISTEN "${channel}"`);
        onNotify();
        await Promise.race([broken, closing]);
      } catch {
        // The database is away; the readers of the channel poll meanwhile and tell of it.
      }
      await client.end().catch(() => undefined); // it is broken already
      await delay(retryMs, undefined, { signal }).catch(() => undefined); // closing: the loop's condition ends it
    }
  }
}
