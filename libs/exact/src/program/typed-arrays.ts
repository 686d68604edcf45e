import { endianness } from 'node:os';
import type { ProgramType } from '@cotrain/protocol';

if (endianness() !== 'LE') throw new Error('Traces are little-endian; this machine is not.');

/** Elements of an output. */
export type ProgramArray = Float32Array | Int32Array | Uint8Array | Int8Array;

const constructors = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, int8: Int8Array };

/** An array of zeros. */
export function typedArray(type: ProgramType, length: number): ProgramArray {
  return new constructors[type](length);
}

/** Bytes as elements; copied where they are not aligned. */
export function elementsIn(type: ProgramType, bytes: Uint8Array): ProgramArray {
  const width = constructors[type].BYTES_PER_ELEMENT;
  const aligned = (bytes.byteOffset % width === 0 ? bytes : bytes.slice()) as Uint8Array<ArrayBuffer>;
  return new constructors[type](aligned.buffer, aligned.byteOffset, Math.floor(aligned.length / width));
}

/** An array's memory as bytes. */
export function bytesIn(array: ProgramArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Reads an element from bytes that need not be aligned. */
export function readElement(view: DataView, byte: number, type: ProgramType): number {
  switch (type) {
    case 'float32':
      return view.getFloat32(byte, true);
    case 'int32':
      return view.getInt32(byte, true);
    case 'uint8':
      return view.getUint8(byte);
    case 'int8':
      return view.getInt8(byte);
  }
}
