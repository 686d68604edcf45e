import { decodeRows, parseReference, type JobSpec, type Program, type ViewColumn } from '@cotrain/protocol';
import type { SwarmClient } from '@cotrain/swarm';
import { CommandError, exitCodes } from './errors.ts';

/** What is to be trained on. */
export interface LabelledRows {
  swarm: Pick<SwarmClient, 'open'>;
  program: Program;
  columns: readonly ViewColumn[];
  split: { name: string; viewReference: string; rows: number; rowBytes: number };
  /** What the model is built with. */
  spec: Pick<JobSpec, 'runtime' | 'backends' | 'resources'>;
}

/** Of a longer view as much is read from its beginning and from its end: classes are often sorted. */
const sampleBytes = 2 ** 22;

/**
 * Looks whether the model has an output for every class that the rows name: otherwise every trainer fails at the first such
 * row, after payers and pools have committed money.
 * @throws CommandError with exit code 2 when it has not
 */
export async function checkLabels({ swarm, program, columns, split, spec }: LabelledRows): Promise<void> {
  const target = columns.find(({ role }) => role === 'target');
  if (program.loss !== 'sparseCategoricalCrossentropy' || target === undefined || target.dtype === 'float32') return;
  const { buildModel, selectFor } = await import('@cotrain/training');
  await selectFor(spec);
  const { model, dispose } = await buildModel(program);
  const classes = model.outputs[0]?.shape.at(-1);
  dispose();
  if (typeof classes !== 'number') return;

  const file = await swarm.open(parseReference(split.viewReference, 'viewReference'));
  const most = Math.max(1, Math.floor(sampleBytes / split.rowBytes));
  const starts = split.rows <= most ? [0] : [0, Math.max(most, split.rows - most)];
  for (const start of starts) {
    const rows = Math.min(most, split.rows - start);
    const bytes = await file.read(start * split.rowBytes, rows * split.rowBytes);
    const labels = decodeRows(columns, bytes, rows).get(target.name) ?? [];
    const perRow = labels.length / rows;
    const wrong = labels.findIndex((label) => label < 0 || label >= classes);
    if (wrong !== -1)
      throw new CommandError(
        exitCodes.usage,
        `Row ${String(start + Math.floor(wrong / perRow))} of split ${split.name} has the class ${String(labels[wrong])} in column ${target.name}, but the model of --program has ${String(classes)} outputs, for the classes 0 to ${String(classes - 1)}. Number the classes from 0, or give the last layer more units.`,
      );
  }
}
