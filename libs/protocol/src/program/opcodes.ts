/** Element types of a step program, by their number in a record. All are little-endian where they lie in bytes. */
export const programTypes = ['float32', 'int32', 'uint8', 'int8'] as const;
export type ProgramType = (typeof programTypes)[number];

/** Bytes of an element. */
export const typeBytes: Readonly<Record<ProgramType, number>> = { float32: 4, int32: 4, uint8: 1, int8: 1 };

/** Where an operand lies, by its number in a record. */
export const operandSpaces = [
  'trace', // outputs of earlier operations
  'state', // parameters and optimizer slots before the step
  'constant', // the program's own constants
  'view', // the row of the training view that a batch position has
  'immediate', // the lower 32 bits of the offset are the value
  'index', // the index map's result itself is the value, an int32
] as const;
export type OperandSpace = (typeof operandSpaces)[number];

/** Functions of one value (docs/exact-1.md, section 4), in the order of their opcodes. */
export const unaryOpcodes = [
  ...['neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'square', 'sqrt', 'rsqrt', 'reciprocal', 'exp', 'expm1', 'log'],
  ...['log1p', 'sigmoid', 'tanh', 'erf', 'softplus', 'gelu', 'relu', 'clip', 'step', 'leakyRelu', 'elu', 'selu'],
] as const;

/** Functions of two values, in the order of their opcodes. */
export const binaryOpcodes = [
  ...['add', 'sub', 'mul', 'div', 'maximum', 'minimum', 'squaredDifference', 'floorDiv', 'mod', 'pow', 'prelu'],
  'eluGradient',
] as const;

/** Comparisons of two values, in the order of their opcodes. */
export const comparisonOpcodes = ['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual'] as const;

type UnaryName =
  | ('neg' | 'abs' | 'sign' | 'floor' | 'ceil' | 'round' | 'square' | 'sqrt' | 'rsqrt' | 'reciprocal')
  | ('exp' | 'expm1' | 'log' | 'log1p' | 'sigmoid' | 'tanh' | 'erf' | 'softplus' | 'gelu' | 'relu' | 'clip' | 'step')
  | ('leakyRelu' | 'elu' | 'selu');
type BinaryName =
  | ('add' | 'sub' | 'mul' | 'div' | 'maximum' | 'minimum' | 'squaredDifference' | 'floorDiv' | 'mod' | 'pow')
  | ('prelu' | 'eluGradient');
type ComparisonName = (typeof comparisonOpcodes)[number];

/** What one element of an operation is; docs/program-1.md defines each. */
export type Opcode =
  | UnaryName
  | BinaryName
  | ComparisonName
  | ('move' | 'view' | 'random' | 'exponent' | 'quantise' | 'contract')
  | ('sum64' | 'product64' | 'max64' | 'min64' | 'argMax64' | 'argMin64' | 'maxPoolGradient')
  | ('sortPositions' | 'lowerBound' | 'slotSegment' | 'segmentSum64')
  | ('select' | 'cast' | 'logicalAnd' | 'logicalOr' | 'logicalNot' | 'oneHot')
  | ('sgdWeights' | 'momentumVelocity' | 'adamFirstMoment' | 'adamSecondMoment' | 'adamWeights');

const blocks: [first: number, opcodes: readonly string[]][] = [
  [0x01, ['move', 'view', 'random']],
  [0x10, ['exponent', 'quantise', 'contract']],
  [0x18, ['sum64', 'product64', 'max64', 'min64', 'argMax64', 'argMin64', 'maxPoolGradient']],
  [0x20, ['sortPositions', 'lowerBound', 'slotSegment', 'segmentSum64']],
  [0x28, ['select', 'cast', 'logicalAnd', 'logicalOr', 'logicalNot', 'oneHot']],
  [0x30, ['sgdWeights', 'momentumVelocity', 'adamFirstMoment', 'adamSecondMoment', 'adamWeights']],
  [0x40, unaryOpcodes],
  [0x60, binaryOpcodes],
  [0x70, comparisonOpcodes],
];

/** Numbers of opcodes. */
export const opcodeNumbers: ReadonlyMap<Opcode, number> = new Map(
  blocks.flatMap(([first, opcodes]) => opcodes.map((opcode, i) => [opcode as Opcode, first + i] as const)),
);
/** Opcodes by their numbers. */
export const opcodesByNumber: ReadonlyMap<number, Opcode> = new Map(
  [...opcodeNumbers].map(([opcode, number]) => [number, opcode]),
);

/** What `validateProgram` demands of an operation's record. */
export interface Signature {
  /** Allowed types of the output and of each operand; a list holds the alternatives that go together. */
  types: readonly (readonly [output: ProgramType, ...operands: ProgramType[]])[];
  /** Axes that are no axes of the output: none, some with a largest product, or exactly one of any length. */
  list: 'none' | 'whole' | number;
  /** How many of the four parameters have a meaning, and which of these are values of exact/1. */
  parameters: { count: number; values: readonly number[] };
}

const none = { count: 0, values: [] };
const values = (count: number): Signature['parameters'] => ({ count, values: [...Array(count).keys()] });
const elementwise = (
  types: Signature['types'],
  parameters: Signature['parameters'] = none,
): Pick<Signature, 'types' | 'list' | 'parameters'> => ({ types, list: 'none', parameters });

const f = 'float32' as const;
const i = 'int32' as const;
const u = 'uint8' as const;
const q = 'int8' as const;
const each = (types: (type: 'float32' | 'int32' | 'uint8') => Signature['types'][number]): Signature['types'] =>
  ([f, i, u] as const).map(types);

const integerUnary: readonly string[] = ['neg', 'abs', 'sign', 'square', 'relu'];
const integerBinary: readonly string[] = [
  ...['add', 'sub', 'mul', 'floorDiv', 'mod', 'maximum', 'minimum', 'squaredDifference'],
];
const unaryParameters: Partial<Record<string, number>> = { clip: 2, step: 1, leakyRelu: 1 };

const specials: Partial<Record<Opcode, Signature>> = {
  // Its operands and its fill have the output's type, which is checked apart.
  move: elementwise([], { count: 1, values: [] }),
  view: elementwise(each((t) => [t, t])),
  random: { ...elementwise([[f]], { count: 4, values: [3] }) },
  exponent: { types: [[q, f]], list: 1_024, parameters: none },
  quantise: elementwise([[q, f, q]]),
  contract: { types: [[f, q, q, q, q]], list: 1_024, parameters: none },
  sum64: {
    types: [
      [f, f],
      [i, i],
      [i, u],
    ],
    list: 64,
    parameters: none,
  },
  product64: {
    types: [
      [f, f],
      [i, i],
    ],
    list: 64,
    parameters: none,
  },
  max64: {
    types: [
      [f, f],
      [i, i],
      [u, u],
    ],
    list: 64,
    parameters: none,
  },
  min64: {
    types: [
      [f, f],
      [i, i],
      [u, u],
    ],
    list: 64,
    parameters: none,
  },
  argMax64: {
    types: [
      [i, f, i],
      [i, i, i],
      [i, u, i],
    ],
    list: 64,
    parameters: none,
  },
  argMin64: {
    types: [
      [i, f, i],
      [i, i, i],
      [i, u, i],
    ],
    list: 64,
    parameters: none,
  },
  maxPoolGradient: { types: [[f, f, i, i]], list: 64, parameters: none },
  sortPositions: { types: [[i, i]], list: 'whole', parameters: none },
  lowerBound: { types: [[i, i]], list: 'whole', parameters: none },
  slotSegment: { types: [[i, i]], list: 'whole', parameters: none },
  segmentSum64: { types: [[f, f, i, i, i]], list: 'whole', parameters: { count: 1, values: [] } },
  select: elementwise(each((t) => [t, u, t, t])),
  cast: elementwise([
    [f, i],
    [f, u],
    [i, f],
    [i, u],
    [u, f],
    [u, i],
  ]),
  logicalAnd: elementwise([[u, u, u]]),
  logicalOr: elementwise([[u, u, u]]),
  logicalNot: elementwise([[u, u]]),
  oneHot: elementwise(
    each((t) => [t, i, i]),
    { count: 2, values: [] },
  ),
  sgdWeights: elementwise([[f, f, f]], values(1)),
  momentumVelocity: elementwise([[f, f, f]], values(1)),
  adamFirstMoment: elementwise([[f, f, f]], values(1)),
  adamSecondMoment: elementwise([[f, f, f]], values(1)),
  adamWeights: elementwise([[f, f, f, f, f]], values(1)),
};

/** The demands of each opcode. */
export const signatures: ReadonlyMap<Opcode, Signature> = new Map(
  [...opcodeNumbers.keys()].map((opcode): [Opcode, Signature] => {
    const special = specials[opcode];
    if (special !== undefined) return [opcode, special];
    if ((unaryOpcodes as readonly string[]).includes(opcode)) {
      const integers: Signature['types'] = integerUnary.includes(opcode) ? [[i, i]] : [];
      return [opcode, elementwise([[f, f], ...integers], values(unaryParameters[opcode] ?? 0))];
    }
    if ((binaryOpcodes as readonly string[]).includes(opcode)) {
      const integers: Signature['types'] = integerBinary.includes(opcode) ? [[i, i, i]] : [];
      return [opcode, elementwise([[f, f, f], ...integers])];
    }
    return [opcode, elementwise(each((t) => [u, t, t]))];
  }),
);
