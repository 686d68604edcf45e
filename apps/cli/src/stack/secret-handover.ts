import { randomBytes } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A secret on its way to a child process. */
export interface Handover {
  /** For the child's `stdio`; it reads `/dev/fd/N`, N being the place in that list. */
  descriptor: number;
  /** Wipes and closes it. May be called twice. */
  end: () => void;
}

/**
 * Offers a secret to a child process as a file that has no name: its name is gone before the secret is written, so
 * that not even a process killed in between leaves it in a folder. It is neither in the environment nor in the
 * arguments of the child, where others could see it.
 */
export function handOver(folder: string, secret: string): Handover {
  const file = join(folder, `.${randomBytes(16).toString('hex')}`);
  const descriptor = openSync(file, 'wx+', 0o600);
  unlinkSync(file);
  let open = true;
  const end = (): void => {
    if (!open) return;
    open = false;
    // The child may keep its copy of the descriptor: there is nothing left behind it.
    ftruncateSync(descriptor);
    closeSync(descriptor);
  };
  try {
    // At a position: the descriptor's own stays at the start, which the child may share.
    writeSync(descriptor, secret, 0);
  } catch (error) {
    end();
    throw error;
  }
  return { descriptor, end };
}
