import { interfaceOf, sampledQuorumAbi, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import type { ParamType } from 'ethers';
import { ether } from '../terminal/amount.ts';
import { erc20Abi } from './erc20-abi.ts';

/** What a transaction does. */
export interface ContractCall {
  to: string;
  data: string;
  valueWei: bigint;
}

const knownAbis = [trainingMarketAbi, trainerRegistryAbi, sampledQuorumAbi, erc20Abi] as const;

/** A call for a person to read: contract, function, arguments by name, and the ETH that it sends. */
export function describeCall({ to, data, valueWei }: ContractCall): string {
  return `${shorten(to)} ${describeData(data)} with ${ether(valueWei)} ETH`;
}

function describeData(data: string): string {
  for (const abi of knownAbis) {
    try {
      const parsed = interfaceOf(abi).parseTransaction({ data });
      if (parsed !== null) return `${parsed.name}${describeValue(parsed.fragment.inputs, parsed.args)}`;
    } catch {
      // The function's selector with something other than its arguments: described by its bytes.
    }
  }
  return `unknown function ${shorten(data)}`;
}

function describeValue(parameters: readonly ParamType[], values: readonly unknown[]): string {
  const each = parameters.map(
    (parameter, index) =>
      `${parameter.name === '' ? '' : `${parameter.name}: `}${describeOne(parameter, values[index])}`,
  );
  return `(${each.join(', ')})`;
}

function describeOne({ components, arrayChildren }: ParamType, value: unknown): string {
  if (components !== null) return describeValue(components, value as readonly unknown[]);
  if (arrayChildren === null) return String(value);
  return `[${(value as readonly unknown[]).map((item) => describeOne(arrayChildren, item)).join(', ')}]`;
}

/** A stranger's text: printable, and not endless. */
function shorten(text: string): string {
  const printable = text.replaceAll(/[^0-9a-zA-Z]/g, '?');
  return printable.length <= 42 ? printable : `${printable.slice(0, 42)}…`;
}
