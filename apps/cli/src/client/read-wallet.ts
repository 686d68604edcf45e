import { readFileSync, statSync } from 'node:fs';
import { Wallet } from 'ethers';
import { CommandError, exitCodes } from './errors.ts';

/**
 * The user's wallet. Its key comes from a file or from COTRAIN_PRIVATE_KEY, never from an argument, which other users
 * of the machine could see; it is never printed.
 * @throws CommandError with exit code 2 that says what is wrong with the file
 */
export function readWallet(keyFile: string | undefined, environment: NodeJS.ProcessEnv = process.env): Wallet {
  const fromEnvironment = environment['COTRAIN_PRIVATE_KEY'];
  if (keyFile === undefined) {
    if (fromEnvironment !== undefined) return walletOf(fromEnvironment, 'COTRAIN_PRIVATE_KEY');
    throw new CommandError(
      exitCodes.usage,
      'This command signs: name the file of the key with --key-file or COTRAIN_KEY_FILE. (`cotrain up` writes test keys to .cotrain/keys.)',
    );
  }
  let text: string;
  let mode: number;
  try {
    ({ mode } = statSync(keyFile));
    text = readFileSync(keyFile, 'utf8');
  } catch (cause) {
    throw new CommandError(
      exitCodes.usage,
      `--key-file is ${keyFile}, which cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'}. Name a file that exists and that you may read.`,
      { cause },
    );
  }
  if ((mode & 0o077) !== 0)
    throw new CommandError(
      exitCodes.usage,
      `--key-file is ${keyFile}, which others can read (mode ${(mode & 0o777).toString(8)}). Run \`chmod 600 ${keyFile}\`.`,
    );
  return walletOf(text, keyFile);
}

function walletOf(text: string, source: string): Wallet {
  const key = text.trim();
  try {
    if (/^0x[0-9a-fA-F]{64}$/.test(key)) return new Wallet(key);
  } catch {
    // The message of ethers may hold the key: it is not passed on.
  }
  throw new CommandError(
    exitCodes.usage,
    `${source} does not hold a private key: it must be 0x and 64 hexadecimal digits.`,
  );
}
