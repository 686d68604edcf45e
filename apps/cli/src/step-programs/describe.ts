import { type Operand, type OperationRecord, outputBytes, type StepProgram } from '@cotrain/protocol';

/** An operation in one line. */
export function describeOperation(record: OperationRecord, index: number): string {
  const list = record.list.length === 0 ? '' : ` over [${record.list.join(', ')}]`;
  const parameters = record.parameters.some((word) => word !== 0)
    ? ` parameters ${record.parameters.map((word) => word.toString(16).padStart(8, '0')).join(' ')}`
    : '';
  const operands = record.operands.map(describeOperand).join(', ');
  return `${String(index).padStart(6)}  chunk ${String(record.outputChunk).padEnd(7)} ${record.type}[${record.shape.join(', ')}] = ${record.opcode}(${operands})${list}${parameters}`;
}

function describeOperand({ space, type, offset, strides, windows, gather }: Operand): string {
  if (space === 'immediate') return type === 'float32' ? String(floatOf(offset)) : String(offset);
  const inside = windows
    .map(({ axisA, axisB, factorA, factorB, offset: from, dilation, limit, stride }) => {
      const second = axisB === null ? '' : ` + ${String(factorB)} d${String(axisB)}`;
      const by = dilation === 1 ? '' : ` / ${String(dilation)}`;
      return ` {(${String(factorA)} d${String(axisA)}${second} + ${String(from)})${by} < ${String(limit)}, x ${String(stride)}}`;
    })
    .join('');
  const gathered =
    gather === null ? '' : ` by #${String(gather.operand)} < ${String(gather.limit)} x ${String(gather.stride)}`;
  return `${space}@${String(offset)} (${strides.join(', ')})${inside}${gathered}`;
}

const floatOf = (bits: number): number => {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits);
  return view.getFloat32(0);
};

/** Counts of operations and bytes of their outputs, by opcode, largest first. */
export function summary({ operations }: StepProgram): { opcode: string; operations: number; traceBytes: number }[] {
  const byOpcode = new Map<string, { operations: number; traceBytes: number }>();
  for (const record of operations) {
    const known = byOpcode.get(record.opcode) ?? { operations: 0, traceBytes: 0 };
    known.operations++;
    known.traceBytes += outputBytes(record);
    byOpcode.set(record.opcode, known);
  }
  return [...byOpcode].map(([opcode, counts]) => ({ opcode, ...counts })).sort((a, b) => b.traceBytes - a.traceBytes);
}

/** A place where two programs differ. */
export interface Difference {
  where: string;
  first: unknown;
  second: unknown;
}

/** The places where two programs differ, in order, up to a number. */
export function differences(first: StepProgram, second: StepProgram, most: number): Difference[] {
  const found: Difference[] = [];
  compare(first, second, '', found, most);
  return found;
}

function compare(a: unknown, b: unknown, where: string, found: Difference[], most: number): void {
  if (found.length >= most || Object.is(a, b)) return;
  const bothObjects = typeof a === 'object' && typeof b === 'object' && a !== null && b !== null;
  if (!bothObjects) {
    found.push({ where, first: a, second: b });
    return;
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    if (Buffer.compare(a, b) !== 0)
      found.push({ where, first: `${String(a.length)} bytes`, second: `${String(b.length)} bytes` });
    return;
  }
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const path = Array.isArray(a) ? `${where}[${key}]` : where === '' ? key : `${where}.${key}`;
    compare((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key], path, found, most);
  }
}
