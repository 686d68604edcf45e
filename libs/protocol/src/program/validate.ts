import { InvalidStepProgramError } from './errors.ts';
import { checkOperands, moveSources, Producers } from './validate-operands.ts';
import { outputBytes } from './layout.ts';
import { type Opcode, opcodeNumbers, type ProgramType, programTypes, signatures } from './opcodes.ts';
import { isValueBits, type Refuse, requireWhole } from './rules.ts';
import {
  chunksOf,
  elementsOf,
  MAX_AXES,
  MAX_CONSTANT_BYTES,
  MAX_OPERANDS,
  MAX_OPERATIONS,
  MAX_STATE_BYTES,
  MAX_STATE_ENTRIES,
  MAX_TRACE_BYTES,
  type OperationRecord,
  PROGRAM_CHUNK_BYTES,
  PARAMETERS,
  type StepProgram,
} from './step-program.ts';
import { MAX_BATCH_SIZE, MAX_ROW_BYTES } from '../job-header.ts';

/**
 * Checks every rule of docs/program-1.md, so that whatever the inputs' bytes are, each element of the trace is defined
 * by operations before it. Bidders and payers run it before they commit money.
 * @returns the program
 * @throws InvalidStepProgramError naming operation, field and value
 */
export function validateProgram(program: StepProgram): StepProgram {
  const refuse: Refuse = (field, value, reason) => {
    throw new InvalidStepProgramError(null, field, value, reason);
  };
  requireWhole(refuse, 'batchSize', program.batchSize, 1, MAX_BATCH_SIZE);
  requireWhole(refuse, 'rowBytes', program.rowBytes, 1, MAX_ROW_BYTES);
  requireWhole(refuse, 'operations.length', program.operations.length, 1, MAX_OPERATIONS);
  requireWhole(refuse, 'constants.length', program.constants.length, 0, MAX_CONSTANT_BYTES);
  if (program.constants.length % PROGRAM_CHUNK_BYTES !== 0)
    refuse('constants.length', program.constants.length, 'it must be a whole number of chunks');
  checkStateLayout(program, refuse);
  const producers = new Producers(program);
  let nextChunk = 0;
  program.operations.forEach((record, index) => {
    const refuseRecord: Refuse = (field, value, reason) => {
      throw new InvalidStepProgramError(index, field, value, reason);
    };
    checkRecord(record, refuseRecord);
    if (record.outputChunk !== nextChunk)
      refuseRecord('outputChunk', record.outputChunk, `outputs follow one another, so it must be ${String(nextChunk)}`);
    nextChunk += chunksOf(outputBytes(record));
    if (nextChunk * PROGRAM_CHUNK_BYTES > MAX_TRACE_BYTES)
      refuseRecord('shape', record.shape, `the trace would have more than ${String(MAX_TRACE_BYTES)} bytes`);
    checkOperands(program, producers, record, refuseRecord);
    producers.add(record);
  });
  program.state.forEach((entry, i) => {
    checkSource(producers, `state[${String(i)}].traceChunk`, entry.traceChunk, entry.elements, refuse);
  });
  checkSource(producers, 'lossChunk', program.lossChunk, 1, refuse);
  if (program.metricChunk !== null) checkSource(producers, 'metricChunk', program.metricChunk, 1, refuse);
  return program;
}

function checkStateLayout({ state }: StepProgram, refuse: Refuse): void {
  requireWhole(refuse, 'state.length', state.length, 1, MAX_STATE_ENTRIES);
  let next = 0;
  const names = new Set<string>();
  state.forEach(({ name, offset, elements }, i) => {
    const field = `state[${String(i)}]`;
    const bytes = new TextEncoder().encode(name);
    if (bytes.length === 0 || bytes.length > 96 || bytes.includes(0) || name !== new TextDecoder().decode(bytes))
      refuse(`${field}.name`, name, 'it must have 1 to 96 bytes of UTF-8, none of them zero');
    if (names.has(name)) refuse(`${field}.name`, name, 'another entry has this name');
    names.add(name);
    requireWhole(refuse, `${field}.elements`, elements, 1, 2 ** 31 - 1);
    if (offset !== next) refuse(`${field}.offset`, offset, `entries follow one another, so it must be ${String(next)}`);
    next += chunksOf(4 * elements) * PROGRAM_CHUNK_BYTES;
    if (next > MAX_STATE_BYTES) refuse(`${field}.elements`, elements, 'the state would be too large');
  });
}

/** Something that is copied from the trace is a whole float32 output. */
function checkSource(producers: Producers, field: string, chunk: number, elements: number, refuse: Refuse): void {
  requireWhole(refuse, field, chunk, 0, MAX_TRACE_BYTES / PROGRAM_CHUNK_BYTES);
  const record = producers.at(chunk * PROGRAM_CHUNK_BYTES);
  if (record?.outputChunk !== chunk) return refuse(field, chunk, 'no output begins there');
  if (record.type !== 'float32' || elementsOf(record.shape) !== elements)
    refuse(field, chunk, `the output there is not ${String(elements)} float32`);
}

function checkRecord(record: OperationRecord, refuse: Refuse): void {
  if (!opcodeNumbers.has(record.opcode)) refuse('opcode', record.opcode, 'no such operation exists');
  const signature = signatures.get(record.opcode);
  if (signature === undefined) return refuse('opcode', record.opcode, 'no such operation exists');
  if (!programTypes.includes(record.type)) refuse('type', record.type, 'no such type exists');
  requireWhole(refuse, 'shape.length', record.shape.length + record.list.length, 0, MAX_AXES);
  for (const [field, lengths] of [
    ['shape', record.shape],
    ['list', record.list],
  ] as const)
    lengths.forEach((length, axis) => {
      requireWhole(refuse, `${field}[${String(axis)}]`, length, 1, 2 ** 31 - 1);
    });
  if (!(elementsOf(record.shape) < 2 ** 31)) refuse('shape', record.shape, 'it must have fewer than 2^31 elements');
  const listed = elementsOf(record.list);
  if (signature.list === 'none') {
    if (record.list.length > 0) refuse('list', record.list, 'the operation reads no list');
  } else if (signature.list === 'whole') {
    if (record.list.length !== 1) refuse('list', record.list, 'it must have one axis');
  } else if (record.list.length === 0 || listed > signature.list)
    refuse('list', record.list, `it must have 1 to ${String(signature.list)} elements`);
  checkTypes(record, refuse);
  checkParameters(record, refuse);
}

function checkTypes(record: OperationRecord, refuse: Refuse): void {
  const given: ProgramType[] = [record.type, ...record.operands.map(({ type }) => type)];
  requireWhole(refuse, 'operands.length', record.operands.length, 0, MAX_OPERANDS);
  const fits = record.opcode === 'move' ? moveFits(record) : signatureFits(record.opcode, given);
  if (!fits)
    refuse('operands', given.slice(1), `${record.opcode} does not make ${record.type} of operands of these types`);
}

function signatureFits(opcode: Opcode, given: readonly ProgramType[]): boolean {
  return (signatures.get(opcode)?.types ?? []).some(
    (wanted) => wanted.length === given.length && given.every((type, i) => type === wanted[i]),
  );
}

/** A move takes its elements as they are; indices are int32, which `checkGather` sees to. */
function moveFits(record: OperationRecord): boolean {
  const sources = moveSources(record);
  return sources.length > 0 && sources.every((i) => record.operands[i]?.type === record.type);
}

function checkParameters(record: OperationRecord, refuse: Refuse): void {
  const { parameters } = signatures.get(record.opcode) ?? { parameters: { count: 0, values: [] } };
  const given: readonly number[] = record.parameters;
  if (given.length !== PARAMETERS) refuse('parameters.length', given.length, `it must be ${String(PARAMETERS)}`);
  const values = new Set(parameters.values);
  if (record.type === 'float32' && record.opcode === 'move') values.add(0);
  if (record.type === 'float32' && record.opcode === 'oneHot') values.add(0).add(1);
  given.forEach((word, i) => {
    const field = `parameters[${String(i)}]`;
    requireWhole(refuse, field, word, 0, i < parameters.count ? 2 ** 32 - 1 : 0);
    if (values.has(i) && !isValueBits(word | 0)) refuse(field, word, 'its bits are no value of exact/1');
  });
  const [first, second] = record.parameters;
  if (record.opcode === 'random') requireWhole(refuse, 'parameters[2]', record.parameters[2], 0, 65_536);
  if (record.opcode === 'segmentSum64') requireWhole(refuse, 'parameters[0]', first, 0, 1);
  if (record.type === 'uint8' && (record.opcode === 'move' || record.opcode === 'oneHot')) {
    requireWhole(refuse, 'parameters[0]', first, 0, 255);
    requireWhole(refuse, 'parameters[1]', second, 0, 255);
  }
  if (record.type === 'int8') requireWhole(refuse, 'parameters[0]', first, 0, 0);
}
