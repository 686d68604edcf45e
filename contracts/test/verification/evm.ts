import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startAnvil } from '@cotrain/chain';
import { Interface, type InterfaceAbi } from 'ethers';
import { compile } from '../../scripts/compile.ts';

/** A contract that is called without a transaction, on a chain of its own without a limit of gas. */
export interface EvmContract {
  /** Returns what the function returns. @throws EvmRevertError when it reverts */
  call(functionName: string, ...args: unknown[]): Promise<unknown[]>;
  /**
   * Calls with each of these arguments, whose encodings have one length, in few requests. Needs the contract `Batcher`.
   * @returns what each call returned
   */
  callEach(functionName: string, args: readonly (readonly unknown[])[]): Promise<unknown[][]>;
  /** Sends a transaction. @returns the gas that it used, calldata and all */
  transact(functionName: string, ...args: unknown[]): Promise<number>;
  address: string;
  interface: Interface;
}

export interface Evm {
  /** The contracts by name. */
  contracts: Readonly<Record<string, EvmContract>>;
  close(): Promise<void>;
}

/** A call reverted. */
export class EvmRevertError extends Error {
  override readonly name = 'EvmRevertError';
  /** Name of the custom error, or the message of the node. */
  readonly reason: string;
  readonly args: readonly unknown[];

  constructor(reason: string, args: readonly unknown[]) {
    super(`The call reverted: ${reason}(${args.map(String).join(', ')})`);
    this.reason = reason;
    this.args = args;
  }
}

interface JsonRpcAnswer {
  result?: string;
  error?: { message: string; data?: unknown };
}

/** Calls in one request of `callEach`: a few hundred kilobytes. */
const perRequest = 2_000;

const gasLimit = `0x${(10n ** 13n).toString(16)}`;

/**
 * Starts a chain with contracts on it.
 * @param built names of deployed contracts, whose bytecode is that of `contracts/build`
 * @param harnesses patterns of sources to compile as those were
 */
export async function startEvm(built: readonly string[], harnesses: readonly string[]): Promise<Evm> {
  const compiled = [
    ...built.map((name) => {
      const file = join(import.meta.dirname, '../../build', `${name}.json`);
      const { abi, deployedBytecode } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
      return { name, abi, deployedBytecode: String(deployedBytecode).slice(2) };
    }),
    ...compile(harnesses).filter(({ deployedBytecode }) => deployedBytecode !== ''),
  ];
  const anvil = await startAnvil();
  const request = async (method: string, params: unknown[]): Promise<JsonRpcAnswer> => {
    const response = await fetch(anvil.rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    return (await response.json()) as JsonRpcAnswer;
  };
  const send = async (method: string, params: unknown[]): Promise<void> => {
    const { error } = await request(method, params);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
  };
  await send('evm_setBlockGasLimit', [gasLimit]);
  const contracts: Record<string, EvmContract> = {};
  for (const [index, { name, abi, deployedBytecode }] of compiled.entries()) {
    const address = `0x${(0x1_0000 + index).toString(16).padStart(40, '0')}`;
    await send('anvil_setCode', [address, `0x${deployedBytecode}`]);
    const contractInterface = new Interface(abi as InterfaceAbi);
    const contract: EvmContract = {
      address,
      interface: contractInterface,
      async call(functionName, ...args) {
        const data = contractInterface.encodeFunctionData(functionName, args);
        const { result, error } = await request('eth_call', [{ to: address, data, gas: gasLimit }, 'latest']);
        if (result !== undefined) return contractInterface.decodeFunctionResult(functionName, result).toArray();
        throw revertOf(error, contractInterface);
      },
      async transact(functionName, ...args) {
        const data = contractInterface.encodeFunctionData(functionName, args);
        const from = anvil.accounts[0]?.address;
        const sent = await request('eth_sendTransaction', [{ from, to: address, data, gas: '0x1c9c380' }]);
        if (sent.result === undefined) throw revertOf(sent.error, contractInterface);
        const { result } = await request('eth_getTransactionReceipt', [sent.result]);
        const receipt = result as unknown as { status: string; gasUsed: string };
        if (receipt.status !== '0x1') throw new EvmRevertError('transaction reverted', []);
        return Number(receipt.gasUsed);
      },
      async callEach(functionName, args) {
        const results: unknown[][] = [];
        for (let start = 0; start < args.length; start += perRequest) {
          const calls = args
            .slice(start, start + perRequest)
            .map((each) => contractInterface.encodeFunctionData(functionName, each).slice(2));
          const [first = ''] = calls;
          if (calls.some((call) => call.length !== first.length)) throw new RangeError('Calls of different lengths.');
          const batcher = contracts['Batcher'] as EvmContract;
          const [joined] = (await batcher.call('each', address, first.length / 2, `0x${calls.join('')}`)) as [string];
          const size = (joined.length - 2) / calls.length;
          for (let i = 0; i < calls.length; i++) {
            const result = `0x${joined.slice(2 + i * size, 2 + (i + 1) * size)}`;
            results.push(contractInterface.decodeFunctionResult(functionName, result).toArray());
          }
        }
        return results;
      },
    };
    contracts[name] = contract;
  }
  return { contracts, close: () => anvil.close() };
}

function revertOf(error: JsonRpcAnswer['error'], contractInterface: Interface): EvmRevertError {
  const known = typeof error?.data === 'string' ? contractInterface.parseError(error.data) : null;
  return new EvmRevertError(known?.name ?? error?.message ?? 'no answer', known?.args.toArray() ?? []);
}

/** The reason for which a call reverts; fails if it does not. */
export async function reasonOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof EvmRevertError) return error.reason;
    throw error;
  }
  throw new Error('The call was accepted.');
}
