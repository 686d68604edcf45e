import { endianness } from 'node:os';
import type { Program } from '@cotrain/protocol';
import { InvalidJobError } from './errors.ts';
import type { ModelWeight } from './model.ts';
import { optimizerSlots } from './optimizer-slots.ts';

/** One float32 array in a state. */
export interface StateEntry {
  name: string;
  kind: 'weight' | 'slot' | 'scalar';
  shape: number[];
  /** In bytes from the state's start. */
  offset: number;
  elements: number;
}

/** Where everything is in a state: weights in model order, then each optimizer slot for every trained weight, then scalars. */
export interface StateLayout {
  entries: StateEntry[];
  bytes: number;
}

if (endianness() !== 'LE') throw new Error('States are little-endian; this machine is not.');

/** Layout of the states of a model under an optimizer: float32, little-endian, nothing between the arrays. */
export function stateLayout(
  model: { weights: readonly Pick<ModelWeight, 'name' | 'shape' | 'trainable'>[] },
  optimizer: Program['optimizer'],
): StateLayout {
  const { slots, scalars } = optimizerSlots(optimizer);
  const trained = model.weights.filter((weight) => weight.trainable);
  const arrays: Omit<StateEntry, 'offset' | 'elements'>[] = [
    ...model.weights.map(({ name, shape }) => ({ name, kind: 'weight' as const, shape })),
    ...slots.flatMap((slot) =>
      trained.map(({ name, shape }) => ({ name: `${slot}/${name}`, kind: 'slot' as const, shape })),
    ),
    ...scalars.map((name) => ({ name, kind: 'scalar' as const, shape: [] })),
  ];
  let offset = 0;
  const entries = arrays.map((array) => {
    const elements = array.shape.reduce((product, size) => product * size, 1);
    const entry = { ...array, offset, elements };
    offset += 4 * elements;
    return entry;
  });
  return { entries, bytes: offset };
}

/** A state's bytes. */
export function encodeState(weights: readonly Float32Array[], optimizer: readonly Float32Array[]): Uint8Array {
  const arrays = [...weights, ...optimizer];
  const values = new Float32Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let offset = 0;
  for (const array of arrays) {
    values.set(array, offset);
    offset += array.length;
  }
  return new Uint8Array(values.buffer);
}

/** A state's arrays, in layout order. @throws InvalidJobError when the length differs */
export function decodeState(layout: StateLayout, bytes: Uint8Array): Float32Array[] {
  if (bytes.length !== layout.bytes)
    throw new InvalidJobError(
      `The state has ${String(bytes.length)} bytes, but the Program's layout has ${String(layout.bytes)}: give the state that belongs to this Program.`,
    );
  // A copy, because a view from elsewhere need not be aligned.
  const values = new Float32Array(bytes.slice().buffer);
  return layout.entries.map(({ offset, elements }) => values.subarray(offset / 4, offset / 4 + elements));
}
