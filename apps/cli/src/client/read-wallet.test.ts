import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { Wallet } from 'ethers';
import { CommandError, exitCodes } from './errors.ts';
import { readWallet } from './read-wallet.ts';

const folder = mkdtempSync(join(tmpdir(), 'cotrain-key-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
const { privateKey, address } = Wallet.createRandom();

function keyFile(text: string, mode = 0o600): string {
  const file = join(folder, `key-${String(Math.random())}`);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof CommandError) {
      expect(error.exitCode).toBe(exitCodes.usage);
      return error.message;
    }
  }
  throw new Error('it was not refused');
}

it('reads the key from a file of its owner, or from the environment', () => {
  expect(readWallet(keyFile(`${privateKey}\n`), {}).address).toBe(address);
  expect(readWallet(undefined, { COTRAIN_PRIVATE_KEY: privateKey }).address).toBe(address);
});

it('says how to name a key when none is given', () => {
  expect(refusal(() => readWallet(undefined, {}))).toMatch(/--key-file or COTRAIN_KEY_FILE/);
});

it('refuses a file that others can read, and says how to change that', () => {
  const file = keyFile(privateKey, 0o644);
  expect(refusal(() => readWallet(file, {}))).toContain(`chmod 600 ${file}`);
});

it('refuses a file that is not there', () => {
  expect(refusal(() => readWallet(join(folder, 'nothing'), {}))).toMatch(/nothing, which cannot be read: ENOENT/);
});

it('never shows the key, however it is wrong', () => {
  const zero = `0x${'0'.repeat(64)}`; // no key of the curve
  for (const text of [privateKey.slice(2), `${privateKey}ff`, privateKey.replace('0x', '0X'), zero]) {
    const message = refusal(() => readWallet(keyFile(text), {}));
    expect(message).toMatch(/64 hexadecimal digits/);
    expect(message.toLowerCase()).not.toContain(text.slice(4, 20).toLowerCase());
  }
});
