import { type Deployment, decodeEvent, type RawLog, sampledQuorumAbi, trainingMarketAbi } from '@cotrain/chain';

/** Chooses the ABI by the contract that wrote the log; logs of others are none of ours. */
export function logDecoder(
  deployment: Deployment,
): (log: RawLog) => { eventName: string; args: Record<string, unknown> } | null {
  const market = deployment.market.toLowerCase();
  const quorum = deployment.quorum.toLowerCase();
  return (log) => {
    const address = log.address.toLowerCase();
    if (address === market) return decodeEvent(trainingMarketAbi, log);
    if (address === quorum) return decodeEvent(sampledQuorumAbi, log);
    return null;
  };
}

/** Arguments as JSON: integers that do not fit a number become decimal strings. */
export function jsonArguments(args: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(args).map(([name, value]) => [name, jsonValue(value)]));
}

function jsonValue(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.map(jsonValue);
  return typeof value === 'object' && value !== null ? jsonArguments(value as Record<string, unknown>) : value;
}
