import type { Hex } from '@cotrain/protocol';
import type {
  Abi,
  AbiParametersToPrimitiveTypes,
  ExtractAbiEvent,
  ExtractAbiEventNames,
  ExtractAbiFunction,
  ExtractAbiFunctionNames,
} from 'abitype';
import {
  type ErrorDescription,
  Interface,
  type InterfaceAbi,
  isError,
  type ParamType,
  type Provider,
  type Result,
} from 'ethers';
import { AbiDecoder, decodeWord, MalformedAbiDataError } from './decode-abi.ts';
import { describeRefusal } from './describe-refusal.ts';
import { CallRevertedError, ChainUnavailableError } from './errors.ts';

type Arguments<TAbi extends Abi, TName extends ExtractAbiFunctionNames<TAbi>> = AbiParametersToPrimitiveTypes<
  ExtractAbiFunction<TAbi, TName>['inputs'],
  'inputs'
>;
type Outputs<TAbi extends Abi, TName extends ExtractAbiFunctionNames<TAbi>> = AbiParametersToPrimitiveTypes<
  ExtractAbiFunction<TAbi, TName>['outputs'],
  'outputs'
>;
/** One output is itself, several are a tuple. */
type Returned<TValues> = TValues extends readonly [infer TOnly] ? TOnly : TValues;

/** Named arguments of an event. */
export type EventArguments<TAbi extends Abi, TName extends ExtractAbiEventNames<TAbi>> = {
  [
    Parameter in ExtractAbiEvent<TAbi, TName>['inputs'][number] as Parameter['name'] & string
  ]: AbiParametersToPrimitiveTypes<readonly [Parameter], 'outputs'>[0];
};

/** An event of the ABI, told apart by its name. */
export type DecodedEvent<TAbi extends Abi> = {
  [TName in ExtractAbiEventNames<TAbi>]: { eventName: TName; args: EventArguments<TAbi, TName> };
}[ExtractAbiEventNames<TAbi>];

const interfaces = new WeakMap<Abi, Interface>();

/** Parses an ABI once. */
export function interfaceOf(abi: Abi): Interface {
  let found = interfaces.get(abi);
  if (found === undefined) {
    found = new Interface(abi as unknown as InterfaceAbi);
    interfaces.set(abi, found);
  }
  return found;
}

/** Calldata of a function; names and argument types come from the ABI. */
export function encodeCall<const TAbi extends Abi, TName extends ExtractAbiFunctionNames<TAbi>>(call: {
  abi: TAbi;
  functionName: TName;
  args: Arguments<TAbi, TName>;
}): { data: Hex } {
  return { data: interfaceOf(call.abi).encodeFunctionData(call.functionName, call.args as readonly unknown[]) as Hex };
}

/**
 * Reads a view function.
 * @throws CallRevertedError with the decoded custom error; ChainUnavailableError when the node does not answer
 */
export async function readContract<
  const TAbi extends Abi,
  TName extends ExtractAbiFunctionNames<TAbi, 'view' | 'pure'>,
>(
  provider: Provider,
  call: { abi: TAbi; address: string; functionName: TName; args: Arguments<TAbi, TName>; blockTag?: number | 'latest' },
): Promise<Returned<Outputs<TAbi, TName>>> {
  const parsed = interfaceOf(call.abi);
  let data: string;
  try {
    data = await provider.call({ to: call.address, data: encodeCall(call).data, blockTag: call.blockTag ?? 'latest' });
  } catch (error) {
    throw asChainError(error, call.functionName, call.abi);
  }
  if (data === '0x') throw new CallRevertedError(`${call.address} holds no contract with ${call.functionName}`, null);
  let result: Result;
  try {
    result = parsed.decodeFunctionResult(call.functionName, data);
  } catch (error) {
    throw new ChainUnavailableError(call.functionName, error);
  }
  const outputs = parsed.getFunction(call.functionName)?.outputs ?? [];
  const values = outputs.map((output, index) => plain(result[index], output));
  return (values.length === 1 ? values[0] : values) as Returned<Outputs<TAbi, TName>>;
}

interface EventDecoder {
  eventName: string;
  inputs: readonly ParamType[];
  inTopics: readonly ParamType[];
  inData: readonly ParamType[];
}

const eventDecoders = new WeakMap<Abi, Map<string, EventDecoder>>();

/** The events of an ABI by their first topic. */
function decodersOf(abi: Abi): Map<string, EventDecoder> {
  let found = eventDecoders.get(abi);
  if (found === undefined) {
    found = new Map();
    interfaceOf(abi).forEachEvent(({ topicHash, name, inputs }) => {
      const inTopics = inputs.filter(({ indexed }) => indexed === true);
      const inData = inputs.filter(({ indexed }) => indexed !== true);
      found?.set(topicHash, { eventName: name, inputs, inTopics, inData });
    });
    eventDecoders.set(abi, found);
  }
  return found;
}

/** Decodes a log, or returns null for one that is not of this ABI. Hostile data gives null, never an exception. */
export function decodeEvent<const TAbi extends Abi>(
  abi: TAbi,
  log: { topics: readonly string[]; data: string },
): DecodedEvent<TAbi> | null {
  const [first = '', ...topics] = log.topics;
  const decoder = decodersOf(abi).get(first);
  if (decoder === undefined || topics.length !== decoder.inTopics.length) return null;
  if (!/^0x[0-9a-f]*$/.test(log.data) || !topics.every((topic) => /^0x[0-9a-f]{64}$/.test(topic))) return null;
  try {
    const ofData = new AbiDecoder(log.data).tuple(decoder.inData);
    const ofTopics = decoder.inTopics.map((type, index) => decodeTopic(type, topics[index] ?? ''));
    const values = new Map<ParamType, unknown>([
      ...decoder.inData.map((type, index): [ParamType, unknown] => [type, ofData[index]]),
      ...decoder.inTopics.map((type, index): [ParamType, unknown] => [type, ofTopics[index]]),
    ]);
    const args = Object.fromEntries(decoder.inputs.map((input) => [input.name, values.get(input)]));
    return { eventName: decoder.eventName, args } as unknown as DecodedEvent<TAbi>;
  } catch (error) {
    if (error instanceof MalformedAbiDataError) return null;
    throw error;
  }
}

/** Of what does not fit a topic there is only its hash. */
function decodeTopic(type: ParamType, topic: string): unknown {
  const hashed = type.isArray() || type.isTuple() || type.type === 'bytes' || type.type === 'string';
  return hashed ? topic : decodeWord(type.type, topic.slice(2));
}

/**
 * ethers' values in the shape that abitype types them: structs are objects, integers of at most 48 bits are numbers,
 * larger ones bigint.
 */
function plain(value: unknown, type: ParamType): unknown {
  if (type.isArray()) return Array.from(value as Result, (item) => plain(item, type.arrayChildren));
  if (type.isTuple())
    return Object.fromEntries(
      type.components.map((member, index) => [member.name, plain((value as Result)[index], member)]),
    );
  const bits = /^u?int(\d+)$/.exec(type.type)?.[1];
  return bits !== undefined && Number(bits) <= 48 ? Number(value) : value;
}

/** Turns what ethers throws into this library's errors, with custom errors decoded by the ABI. */
export function asChainError(error: unknown, operation: string, abi?: Abi): CallRevertedError | ChainUnavailableError {
  if (isError(error, 'CALL_EXCEPTION')) {
    const data = error.data;
    if (abi !== undefined && typeof data === 'string' && data.length >= 10) {
      const parsed = parseError(abi, data);
      if (parsed !== null)
        return new CallRevertedError(printable(`${parsed.name}(${parsed.args.map(String).join(', ')})`), parsed.name, {
          cause: error,
          explanation: describeRefusal(parsed.name, [...parsed.args]),
        });
    }
    // How ethers puts a refusal without a word: mostly the sender has less ETH than the call sends.
    const reason = error.reason ?? error.shortMessage;
    return new CallRevertedError(
      reason === 'missing revert data'
        ? 'no reason was given. Does the account have the ETH that is sent?'
        : printable(reason),
      null,
      { cause: error },
    );
  }
  return new ChainUnavailableError(operation, error);
}

/** Null for an error of another contract, also for one that only pretends to be ours. */
function parseError(abi: Abi, data: string): ErrorDescription | null {
  try {
    return interfaceOf(abi).parseError(data);
  } catch {
    return null; // our selector before arguments that do not fit: a contract may revert with any bytes
  }
}

/** A contract's words are a stranger's: no control characters (a database refuses NUL), and not a book. */
function printable(reason: string): string {
  return reason.replace(/\p{Cc}/gu, ' ').slice(0, 500);
}
