import {
  chunksOf,
  elementsOf,
  type IndexGather,
  type IndexWindow,
  MAX_AXES,
  type Opcode,
  type OperationRecord,
  outputBytes,
  PROGRAM_CHUNK_BYTES,
  type ProgramType,
  typeBytes,
} from '@cotrain/protocol';
import { joinAxes } from '../backend/broadcast.ts';
import { convert } from '../backend/kernels/views.ts';
import { stridesOf } from '../backend/movement.ts';
import { bitsOf, N } from '../reference/float.ts';
import { UnsupportedStepError } from './errors.ts';
import { broadcastTo, isDense, reshaped, type Source } from './source.ts';

/** An operand before its record exists. */
export interface OperandSpec {
  source: Pick<Source, 'space' | 'type' | 'offset'>;
  strides: readonly number[];
  windows?: readonly IndexWindow[];
  gather?: IndexGather;
}

export interface EmitOptions {
  list?: readonly number[];
  parameters?: readonly number[];
}

type Values = Float32Array | Int32Array | Uint8Array;

const typeOf = (values: Values): ProgramType =>
  values instanceof Float32Array ? 'float32' : values instanceof Int32Array ? 'int32' : 'uint8';

/** The 32 bits of a number as a type stores it. */
export function bitsAs(type: ProgramType, value: number): number {
  return (type === 'float32' ? bitsOf(N(value)) : convert(value, type === 'uint8' ? 'bool' : 'int32')) >>> 0;
}

/** Collects the operations and constants of a program. Equal operations are emitted once. */
export class ProgramBuilder {
  readonly operations: OperationRecord[] = [];
  /** What is being lowered, for messages. */
  current: { call: number | null; kernel: string } = { call: null, kernel: '' };
  #nextChunk = 0;
  readonly #known = new Map<string, Source>();
  readonly #constants: Uint8Array[] = [];
  #constantChunks = 0;
  readonly #constantSources = new Map<string, number>();

  /** @throws UnsupportedStepError always */
  refuse(reason: string): never {
    throw new UnsupportedStepError(this.current.call, this.current.kernel, reason);
  }

  /** Appends an operation and returns its output. */
  emit(
    opcode: Opcode,
    type: ProgramType,
    shape: readonly number[],
    operands: readonly OperandSpec[],
    { list = [], parameters = [] }: EmitOptions = {},
  ): Source {
    const domain = [...shape, ...list];
    if (domain.length > MAX_AXES)
      this.refuse(`it needs ${String(domain.length)} axes that move differently; at most ${String(MAX_AXES)} exist`);
    const record: OperationRecord = {
      opcode,
      type,
      shape,
      list,
      operands: operands.map(({ source, strides, windows = [], gather = null }) => ({
        space: source.space,
        type: source.type,
        offset: source.offset,
        // Adding 0 makes +0 of -0, so that a record has one spelling.
        strides: strides.map((stride, axis) => (domain[axis] === 1 ? 0 : stride + 0)),
        windows: windows.map((window) => ({ ...window, offset: window.offset + 0 })),
        gather,
      })),
      parameters: [0, 1, 2, 3].map((i) => parameters[i] ?? 0) as unknown as OperationRecord['parameters'],
      outputChunk: this.#nextChunk,
    };
    const key = JSON.stringify({ ...record, outputChunk: 0 });
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.operations.push(record);
    const output: Source = {
      ...{ space: 'trace', type, offset: this.#nextChunk * PROGRAM_CHUNK_BYTES, shape, strides: stridesOf(shape) },
    };
    this.#nextChunk += chunksOf(outputBytes(record));
    this.#known.set(key, output);
    return output;
  }

  /** An operation whose element depends on one element of each operand, which are broadcast to `shape`. */
  elementwise(
    opcode: Opcode,
    type: ProgramType,
    shape: readonly number[],
    sources: readonly Source[],
    parameters: readonly number[] = [],
  ): Source {
    const joined = joinAxes(
      shape,
      sources.map((source) => broadcastTo(source, shape).strides),
    );
    const operands = sources.map((source, i) => ({ source, strides: joined.strides[i] as number[] }));
    const output = this.emit(opcode, type, joined.shape, operands, { parameters });
    return { ...output, shape, strides: stridesOf(shape) };
  }

  /** A dense copy in the trace. */
  copy(source: Source): Source {
    return this.elementwise('move', source.type, source.shape, [source]);
  }

  /** The source itself if its elements lie one after another, otherwise a copy. */
  dense(source: Source): Source {
    return isDense(source) ? source : this.copy(source);
  }

  /** A dense source that has elements at positions of its own, as a gather needs it. */
  stored(source: Source): Source {
    return isDense(source) && source.space !== 'immediate' ? source : this.copy(source);
  }

  reshape(source: Source, shape: readonly number[]): Source {
    return reshaped(source, shape) ?? { ...this.copy(source), shape, strides: stridesOf(shape) };
  }

  /** Its last axis with its elements side by side (or all the same), as lists are read. */
  contiguous(source: Source): Source {
    const last = source.strides.at(-1) ?? 0;
    return source.shape.at(-1) === 1 || last === 1 || last === 0 ? source : this.copy(source);
  }

  /** One value everywhere. */
  immediate(type: ProgramType, value: number, shape: readonly number[] = []): Source {
    return { space: 'immediate', type, offset: bitsAs(type, value), shape, strides: shape.map(() => 0) };
  }

  /** The int32 that an index map gives: sum of strides * digits. */
  index(shape: readonly number[], strides: readonly number[], offset = 0): Source {
    return { space: 'index', type: 'int32', offset, shape, strides };
  }

  /** Constants of the program; one value everywhere becomes an immediate. */
  constant(values: Values, shape: readonly number[]): Source {
    const type = typeOf(values);
    const first = values[0] ?? 0;
    if (values.every((value) => Object.is(value, first))) return this.immediate(type, first, shape);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const key = `${type}:${Buffer.from(bytes).toString('base64')}`;
    let chunk = this.#constantSources.get(key);
    if (chunk === undefined) {
      chunk = this.#constantChunks;
      this.#constantSources.set(key, chunk);
      this.#constants.push(bytes.slice());
      this.#constantChunks += chunksOf(bytes.length);
    }
    return { space: 'constant', type, offset: chunk * PROGRAM_CHUNK_BYTES, shape, strides: stridesOf(shape) };
  }

  /** All constants as they lie in the program. */
  constants(): Uint8Array {
    const all = new Uint8Array(this.#constantChunks * PROGRAM_CHUNK_BYTES);
    let at = 0;
    for (const bytes of this.#constants) {
      all.set(bytes, at);
      at += chunksOf(bytes.length) * PROGRAM_CHUNK_BYTES;
    }
    return all;
  }

  /** A part of a source: `elements` further on. */
  moved(source: Source, elements: number): Source {
    if (source.space === 'immediate') return source;
    return { ...source, offset: source.offset + elements * typeBytes[source.type] };
  }

  /** Elements of a source. */
  size({ shape }: Pick<Source, 'shape'>): number {
    return elementsOf(shape);
  }
}
