import type { Connection } from './connection.ts';
import { etherToken, isEther, readToken, type Token, tokenAmount } from './token.ts';

/** What the tokens of a deployment are called and how they are counted, asked of the chain once each. */
export class TokenBook {
  private readonly known = new Map<string, Promise<Token>>();

  constructor(private readonly connection: Pick<Connection, 'knowsChain' | 'provider'>) {}

  /** Where no chain is named, a token is known by its address only. @throws ChainUnavailableError */
  of(address: string): Promise<Token> {
    if (isEther({ address })) return Promise.resolve(etherToken);
    const key = address.toLowerCase();
    const found = this.known.get(key) ?? this.ask(address);
    this.known.set(key, found);
    return found;
  }

  /** Reads tokens one after the other; gives a function that writes an amount of one of them. */
  async reader(addresses: Iterable<string>): Promise<(address: string, units: string | bigint | null) => string> {
    const tokens = new Map<string, Token>();
    for (const address of new Set(addresses)) tokens.set(address, await this.of(address));
    return (address, units) =>
      tokenAmount(tokens.get(address) ?? { address, symbol: null, decimals: null }, BigInt(units ?? 0));
  }

  private async ask(address: string): Promise<Token> {
    if (!(await this.connection.knowsChain())) return { address, symbol: null, decimals: null };
    return readToken(await this.connection.provider(), address);
  }
}
