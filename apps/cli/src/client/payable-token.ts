import type { Connection } from './connection.ts';
import { CommandError, exitCodes } from './errors.ts';
import { maxDecimals, type PayableToken, readToken, tokenLabel } from './token.ts';

/**
 * A token that somebody wants to pay or be paid in, as the chain has it.
 * @param givenDecimals of a token that does not say them; must agree with one that does
 * @throws CommandError with exit code 2 when there is no contract, or the decimals are not known
 */
export async function readPayableToken(
  connection: Pick<Connection, 'provider'>,
  address: string,
  givenDecimals?: number,
): Promise<PayableToken> {
  if (givenDecimals !== undefined && givenDecimals > maxDecimals)
    throw new CommandError(
      exitCodes.usage,
      `--token-decimals is ${String(givenDecimals)}: give 0 to ${String(maxDecimals)}.`,
    );
  const provider = await connection.provider();
  if ((await provider.getCode(address)) === '0x')
    throw new CommandError(
      exitCodes.usage,
      `--token is ${address}, where this chain has no contract. Is --rpc the chain that you mean?`,
    );
  const token = await readToken(provider, address);
  const decimals = token.decimals ?? givenDecimals;
  if (decimals === undefined)
    throw new CommandError(
      exitCodes.usage,
      `--token is ${address}, which does not say how many decimals it has. Is it an ERC-20 token? If so, give them with --token-decimals.`,
    );
  if (givenDecimals !== undefined && givenDecimals !== decimals)
    throw new CommandError(
      exitCodes.usage,
      `--token-decimals is ${String(givenDecimals)}, but ${tokenLabel(token)} says ${String(decimals)}. Leave it out, or name the token that you mean.`,
    );
  return { ...token, decimals };
}
