import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import nodeUtilities from 'node:util';
import { tf } from '../backend/tf.ts';
import { TfjsNodeUnavailableError } from './errors.ts';

/** Versions that `npm run tfjs-node` builds. */
const tfjsNodeVersion = '4.22.0';
export const tensorflowVersion = '2.15.1';

/** The GPU's package first: who installed it means it. */
const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

/**
 * Folder whose node_modules holds tfjs-node or tfjs-node-gpu: what COTRAIN_TFJS_NODE names, otherwise where
 * `npm run tfjs-node` builds it. The addon's interface (N-API 8) is the same for every version of Node.
 */
export function tfjsNodeFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const named = environment['COTRAIN_TFJS_NODE'];
  if (named !== undefined && named !== '') return resolve(named);
  const xdgCache = environment['XDG_CACHE_HOME'];
  const cache = xdgCache !== undefined && xdgCache !== '' ? xdgCache : join(homedir(), '.cache');
  const name = `tfjs-node-${tfjsNodeVersion}-tf${tensorflowVersion}-napi8-${process.platform}-${process.arch}`;
  return join(cache, 'cotrain', name);
}

/** Where the compiled addon of tfjs-node lies in such a folder. */
export function tfjsNodeAddon(folder: string, name: string = packages[1]): string {
  return join(folder, 'node_modules', name, 'lib', 'napi-v8', 'tfjs_binding.node');
}

/** The package that a folder holds, or null. */
function installedPackage(folder: string): string | null {
  return packages.find((name) => existsSync(tfjsNodeAddon(folder, name))) ?? null;
}

export function tfjsNodeIsInstalled(folder = tfjsNodeFolder()): boolean {
  return installedPackage(folder) !== null;
}

/**
 * Makes TensorFlow.js's backend `tensorflow` known, with which `registerComposedBackend({ on: 'tensorflow' })` computes.
 * The current backend stays what it is.
 * @throws TfjsNodeUnavailableError if it is not installed or does not load
 */
export async function loadTfjsNode(folder = tfjsNodeFolder()): Promise<void> {
  if ((tf.findBackendFactory('tensorflow') as unknown) !== null) return;
  const name = installedPackage(folder);
  if (name === null) throw new TfjsNodeUnavailableError(folder);
  // tfjs-node calls what Node removed in version 23.
  const utilities = nodeUtilities as unknown as { isNullOrUndefined?: (value: unknown) => boolean };
  utilities.isNullOrUndefined ??= (value) => value == null;
  const former = tf.engine().backendName as string | undefined | null;
  const isProduction = tf.env().getBool('PROD');
  try {
    // It brings a copy of TensorFlow.js along, which would report every kernel that is known already.
    tf.env().set('PROD', true);
    // TensorFlow.js keeps engine and kernels in one place for all copies of itself, so that this copy's kernels are ours.
    createRequire(join(folder, 'package.json'))(name);
  } catch (cause) {
    throw new TfjsNodeUnavailableError(folder, { cause });
  } finally {
    tf.env().set('PROD', isProduction);
  }
  // It makes itself the current one.
  if (former != null) await tf.setBackend(former);
}
