import { elementsOf, type IndexWindow, type Operand } from '@cotrain/protocol';

/** What stands for an element that an operand does not have. */
export const missing = -(2 ** 31);

/** What a window adds to a position, for both digits; `missing` outside of it. */
function windowTable(window: IndexWindow, domain: readonly number[]): Int32Array {
  const lengthB = window.axisB === null ? 1 : (domain[window.axisB] as number);
  const table = new Int32Array((domain[window.axisA] as number) * lengthB);
  for (let i = 0; i < table.length; i++) {
    const c = window.factorA * Math.floor(i / lengthB) + window.factorB * (i % lengthB) + window.offset;
    const inside = c / window.dilation;
    table[i] = c >= 0 && Number.isInteger(inside) && inside < window.limit ? inside * window.stride : missing;
  }
  return table;
}

/**
 * An operand's positions for a part of a domain's indices, row-major, as `elementPosition` gives them.
 * @param first index of the first axis where the part begins @param count how many of it
 * @param gathered the elements of the operand that it gathers by, for the same indices
 */
export function positionsOf(
  operand: Operand,
  domain: readonly number[],
  first: number,
  count: number,
  gathered: ArrayLike<number> | null,
): Int32Array {
  const shape = domain.length === 0 ? [1] : [count, ...domain.slice(1)];
  const lengths = domain.length === 0 ? [1] : domain;
  const strides = operand.strides.length === 0 ? [0] : operand.strides;
  const last = shape.length - 1;
  const tables = operand.windows.map((window) => windowTable(window, lengths));
  const inner = shape[last] as number;
  const out = new Int32Array(elementsOf(shape));
  const digits = new Array<number>(shape.length).fill(0);
  digits[0] = first;
  const rows = out.length / inner;
  const innerStart = last === 0 ? first : 0;
  for (let row = 0, at = 0; row < rows; row++) {
    let base = 0;
    for (let axis = 0; axis < last; axis++) base += (strides[axis] as number) * (digits[axis] as number);
    for (let i = 0; i < inner; i++) out[at + i] = base + (strides[last] as number) * (innerStart + i);
    operand.windows.forEach(({ axisA, axisB }, w) => {
      addWindow(out, at, inner, innerStart, tables[w] as Int32Array, {
        digitA: axisA === last ? null : (digits[axisA] as number),
        digitB: axisB === null ? 0 : axisB === last ? null : (digits[axisB] as number),
        lengthB: axisB === null ? 1 : (lengths[axisB] as number),
      });
    });
    at += inner;
    for (let axis = last - 1; axis >= 0; axis--) {
      digits[axis] = (digits[axis] as number) + 1;
      if (axis === 0 || (digits[axis] as number) < (shape[axis] as number)) break;
      digits[axis] = 0;
    }
  }
  if (operand.gather !== null && gathered !== null) addGathered(out, gathered, operand.gather);
  return out;
}

/** Adds a window to a row of positions, of which one digit (null) may be the row's own. */
function addWindow(
  out: Int32Array,
  at: number,
  inner: number,
  innerStart: number,
  table: Int32Array,
  { digitA, digitB, lengthB }: { digitA: number | null; digitB: number | null; lengthB: number },
): void {
  const start = (digitA ?? innerStart) * lengthB + (digitB ?? innerStart);
  const step = digitA === null ? lengthB : digitB === null ? 1 : 0;
  for (let i = 0; i < inner; i++) {
    const more = table[start + i * step] as number;
    const known = out[at + i] as number;
    out[at + i] = more === missing || known === missing ? missing : known + more;
  }
}

function addGathered(out: Int32Array, gathered: ArrayLike<number>, gather: NonNullable<Operand['gather']>): void {
  for (let i = 0; i < out.length; i++) {
    const index = gathered[i] as number;
    const known = out[i] as number;
    out[i] = known === missing || index < 0 || index >= gather.limit ? missing : known + index * gather.stride;
  }
}
