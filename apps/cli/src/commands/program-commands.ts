import { readFile, writeFile } from 'node:fs/promises';
import {
  datasetManifestFormat,
  decodeStepProgram,
  encodeStepProgram,
  operationOfChunk,
  programFormat,
  stateBytes,
  type StepProgram,
  traceBytes,
} from '@cotrain/protocol';
import { referenceOf } from '@cotrain/swarm';
import type { Command } from 'commander';
import { CommandError, exitCodes } from '../client/errors.ts';
import { readJson } from '../client/read-json.ts';
import { positiveInteger, wholeNumber } from '../client/parse-value.ts';
import { describeOperation, differences, summary } from '../step-programs/describe.ts';
import { printResult } from '../terminal/result.ts';

interface Flags {
  json?: boolean;
}

interface DeriveFlags extends Flags {
  model: string;
  dataset: string;
  batchSize: number;
  out: string;
}

interface ShowFlags extends Flags {
  operation?: number;
  chunk?: number;
}

const json = ['--json', 'print one JSON document'] as const;

/** program derive, show, diff, validate. */
export function addProgramCommands(parent: Command): void {
  const program = parent
    .command('program')
    .description('the tensor operations of a training step, which a contract can compute again');
  program
    .command('derive')
    .description("write down the operations of a model's training step")
    .requiredOption('--model <file>', 'JSON document of model, optimizer and loss')
    .requiredOption('--dataset <file>', 'JSON manifest of the dataset, whose columns the rows have')
    .requiredOption('--batch-size <rows>', 'rows of a batch', positiveInteger)
    .requiredOption('--out <file>', 'where the program is written')
    .option(...json)
    .addHelpText(
      'after',
      '\nThe same model, columns and batch size give the same bytes on every machine. docs/program-1.md says what they mean.\n\nExamples:\n  $ cotrain program derive --model mlp.program.json --dataset mnist.dataset.json --batch-size 32 --out mlp.program\n',
    )
    .action(derive);
  program
    .command('show')
    .description('print the operations of a program')
    .argument('<file>', 'a program')
    .option('--operation <number>', 'this operation alone', wholeNumber)
    .option('--chunk <number>', 'the operation that this chunk of the trace belongs to', wholeNumber)
    .option(...json)
    .addHelpText(
      'after',
      '\nExamples:\n  $ cotrain program show mlp.program\n  $ cotrain program show mlp.program --chunk 812 --json\n',
    )
    .action(show);
  program
    .command('diff')
    .description('say where two programs differ')
    .argument('<first>', 'a program')
    .argument('<second>', 'another one')
    .option(...json)
    .addHelpText(
      'after',
      '\nExit codes: 0 they are the same; 1 they differ.\n\nExamples:\n  $ cotrain program diff mine.program theirs.program\n',
    )
    .action(diff);
  program
    .command('validate')
    .description('check a program from somebody else before money is committed to it')
    .argument('<file>', 'a program')
    .option(...json)
    .addHelpText(
      'after',
      '\nExit codes: 0 it is valid; 2 it is not: operation, field and value are on standard error.\n\nExamples:\n  $ cotrain program validate theirs.program\n',
    )
    .action(validate);
}

async function derive({ model, dataset, batchSize, out, ...flags }: DeriveFlags): Promise<void> {
  // TensorFlow.js takes a second to load.
  const { deriveFromModel } = await import('../step-programs/derive-model.ts');
  const document = programFormat.validate(readJson(model, '--model'));
  const { columns } = datasetManifestFormat.validate(readJson(dataset, '--dataset'));
  const program = await deriveFromModel({ document, columns, batchSize });
  const bytes = encodeStepProgram(program);
  await writeFile(out, bytes);
  const facts = factsOf(program, bytes);
  printResult(flags, facts, () => [...lines(facts), `written to ${out}`]);
}

async function show(file: string, { operation, chunk, ...flags }: ShowFlags): Promise<void> {
  const { program, bytes } = await read(file);
  const index = chunk === undefined ? operation : operationOfChunk(program, chunk);
  if (index !== undefined) {
    const record = program.operations[index];
    if (record === undefined)
      throw new CommandError(
        exitCodes.notFound,
        `${file} has ${String(program.operations.length)} operations and ${String(traceBytes(program) / 4096)} chunks of trace: there is none such.`,
      );
    printResult(flags, { index, ...record }, () => [describeOperation(record, index)]);
    return;
  }
  const facts = factsOf(program, bytes);
  printResult(flags, { ...facts, ...program, constants: program.constants.length, summary: summary(program) }, () => [
    ...lines(facts),
    ...program.state.map(
      ({ name, offset, elements, traceChunk }) =>
        `state at ${String(offset)}: ${name}, ${String(elements)} float32, afterwards chunk ${String(traceChunk)} of the trace`,
    ),
    ...program.operations.map(describeOperation),
  ]);
}

async function diff(first: string, second: string, flags: Flags): Promise<void> {
  const most = 20;
  const found = differences((await read(first)).program, (await read(second)).program, most);
  printResult(flags, { same: found.length === 0, differences: found }, () =>
    found.length === 0
      ? ['the same program']
      : found.map(({ where, first: a, second: b }) => `${where}: ${JSON.stringify(a)} / ${JSON.stringify(b)}`),
  );
  if (found.length > 0) process.exitCode = exitCodes.failure;
}

async function validate(file: string, flags: Flags): Promise<void> {
  const { program, bytes } = await read(file);
  const facts = factsOf(program, bytes);
  printResult(flags, { valid: true, ...facts }, () => ['valid', ...lines(facts)]);
}

/** @throws CommandError, InvalidEncodingError, InvalidStepProgramError */
async function read(file: string): Promise<{ program: StepProgram; bytes: Uint8Array }> {
  const bytes = await readInput(file);
  return { program: decodeStepProgram(bytes), bytes };
}

async function readInput(file: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(file));
  } catch (cause) {
    throw new CommandError(exitCodes.usage, `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function factsOf(program: StepProgram, bytes: Uint8Array) {
  return {
    programReference: referenceOf(bytes),
    batchSize: program.batchSize,
    rowBytes: program.rowBytes,
    operationCount: program.operations.length,
    programBytes: bytes.length,
    traceBytes: traceBytes(program),
    stateBytes: stateBytes(program),
  };
}

function lines(facts: ReturnType<typeof factsOf>): string[] {
  return [
    `program ${facts.programReference}, ${String(facts.programBytes)} bytes`,
    `${String(facts.operationCount)} operations for batches of ${String(facts.batchSize)} rows of ${String(facts.rowBytes)} bytes`,
    `trace ${String(facts.traceBytes)} bytes, state ${String(facts.stateBytes)} bytes`,
  ];
}
