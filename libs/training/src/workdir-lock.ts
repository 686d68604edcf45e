import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { realpath, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WorkdirLockedError } from './errors.ts';

/**
 * Keeps a second trainer out of a work directory: two would write one log. The lock is a listening socket, because
 * the system closes it with its process, however that ends, and a file with a process id would outlive a kill.
 * @returns what releases it
 * @throws WorkdirLockedError
 */
export async function lockWorkdir(workdir: string): Promise<() => Promise<void>> {
  const name = `cotrain-trainer-${createHash('sha256')
    .update(await realpath(workdir))
    .digest('hex')
    .slice(0, 24)}`;
  // Linux has names that are no files; elsewhere a socket's file stays behind and is removed when nobody answers.
  const address = process.platform === 'linux' ? `\0${name}` : join(tmpdir(), `${name}.sock`);
  const server = createServer((socket) => socket.destroy());
  try {
    await listen(server, address);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    if (process.platform === 'linux' || (await answers(address))) throw new WorkdirLockedError(workdir);
    await rm(address, { force: true });
    await listen(server, address);
  }
  server.unref();
  return async () => {
    const closed = once(server, 'close');
    server.close();
    await closed;
  };
}

async function listen(server: Server, address: string): Promise<void> {
  const listening = once(server, 'listening');
  server.listen(address);
  await listening;
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => {
      resolve(false);
    });
  });
}
