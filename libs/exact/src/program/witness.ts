// docs/program-1.md, section 6: what shows that one element of `sortPositions`, `lowerBound` or `slotSegment` is wrong.
// The elements before it are right.

/** Why an element of a sort is wrong: by itself, or because a position was skipped. */
export type SortFault = { kind: 'outOfOrder' } | { kind: 'skipped'; position: number };

/** Whether position p stands before position q. */
const isBefore = (ids: ArrayLike<number>, p: number, q: number): boolean =>
  (ids[p] as number) < (ids[q] as number) || (ids[p] === ids[q] && p < q);

/**
 * What is wrong with the element at `index` of a claimed sort of positions by (id, position); null for a right one.
 * A skipped position is the witness that a contract is shown: it lies between the element before and the claimed one.
 */
export function sortFault(ids: ArrayLike<number>, order: ArrayLike<number>, index: number): SortFault | null {
  const claimed = order[index] as number;
  const before = index === 0 ? null : (order[index - 1] as number);
  if (claimed < 0 || claimed >= ids.length || (before !== null && !isBefore(ids, before, claimed)))
    return { kind: 'outOfOrder' };
  for (let position = 0; position < ids.length; position++)
    if (isSkipped(ids, before, position, claimed)) return { kind: 'skipped', position };
  return null;
}

/** The contract's check of a witness, which reads three ids. */
export function isSkipped(ids: ArrayLike<number>, before: number | null, position: number, claimed: number): boolean {
  return (before === null || isBefore(ids, before, position)) && isBefore(ids, position, claimed);
}

/** Whether a claimed element of `lowerBound` is right, from two elements of the ascending list. */
export function isLowerBound(list: ArrayLike<number>, value: number, claimed: number): boolean {
  if (claimed < 0 || claimed > list.length) return false;
  const beforeIsBelow = claimed === 0 || (list[claimed - 1] as number) < value;
  return beforeIsBelow && (claimed === list.length || (list[claimed] as number) >= value);
}

/** Whether a claimed element of `slotSegment` is right, from two elements of the ascending list of first slots. */
export function isSlotSegment(firstSlots: ArrayLike<number>, slot: number, claimed: number): boolean {
  if (claimed < -1 || claimed >= firstSlots.length) return false;
  const hasBegun = claimed === -1 || (firstSlots[claimed] as number) <= slot;
  return hasBegun && (claimed === firstSlots.length - 1 || (firstSlots[claimed + 1] as number) > slot);
}
