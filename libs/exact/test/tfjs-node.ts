import { pathToFileURL } from 'node:url';
import util from 'node:util';

/** tfjs-node is optional: this machine has none. */
export class TfjsNodeMissingError extends Error {
  override readonly name = 'TfjsNodeMissingError';
}

/** Registers TensorFlow's own backend under its name `tensorflow`. @throws TfjsNodeMissingError */
export async function loadTfjsNode(): Promise<void> {
  const path = process.env['COTRAIN_TFJS_NODE'];
  if (path === undefined)
    throw new TfjsNodeMissingError('say where tfjs-node is: COTRAIN_TFJS_NODE=FOLDER (npm run tfjs-node makes one).');
  // Node 23 removed functions that tfjs-node 4 calls.
  const old = util as { isNullOrUndefined?: (value: unknown) => boolean; isArray?: unknown };
  old.isNullOrUndefined ??= (value) => value === null || value === undefined;
  old.isArray ??= Array.isArray;
  await import(pathToFileURL(`${path}/dist/index.js`).href);
}
