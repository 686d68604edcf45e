import { readFile, stat } from 'node:fs/promises';
import { Wallet } from 'ethers';

/** The key file is missing, open to others, or holds no key. Its message never holds the file's content. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
}

/**
 * Reads the deployer's key: a file with a private key in hex, or an encrypted JSON keystore whose password is the first
 * line of `passwordFile`. Files that others can read are refused.
 * @throws KeyFileError
 */
export async function readDeployer(keyFile: string, passwordFile: string | null): Promise<Wallet> {
  const content = (await readSecret(keyFile)).trim();
  if (/^(0x)?[0-9a-fA-F]{64}$/.test(content)) return new Wallet(content.startsWith('0x') ? content : `0x${content}`);
  if (!content.startsWith('{'))
    throw new KeyFileError(`${keyFile} holds neither a private key (64 hex digits) nor a JSON keystore.`);
  if (passwordFile === null)
    throw new KeyFileError(`${keyFile} is a keystore: set COTRAIN_DEPLOYER_PASSWORD_FILE to a file with its password.`);
  const [password] = (await readSecret(passwordFile)).split(/\r?\n/);
  try {
    const { privateKey } = await Wallet.fromEncryptedJson(content, password ?? '');
    return new Wallet(privateKey);
  } catch {
    // The cause could quote what it was given.
    throw new KeyFileError(`${keyFile} cannot be decrypted with the password in ${passwordFile}.`);
  }
}

async function readSecret(file: string): Promise<string> {
  let mode: number;
  try {
    ({ mode } = await stat(file));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new KeyFileError(
      code === 'ENOENT'
        ? `There is no file ${file}. Name the file with the deployer's key, or with its password.`
        : `${file} cannot be read: ${code ?? 'unknown error'}.`,
    );
  }
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new KeyFileError(`${file} can be read by others (mode ${(mode & 0o777).toString(8)}): chmod 600 ${file}`);
  return readFile(file, 'utf8');
}
