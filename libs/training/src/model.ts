import type { JobSpec, Program } from '@cotrain/protocol';
import { MachineFaultError, ProgramTooLargeError, TrainerError, UnsupportedProgramError } from './errors.ts';
import { CausalSelfAttention } from './layers/attention.ts';
import { DeterministicDropout, type RandomContext } from './layers/dropout.ts';
import { registerLayers } from './layers/register.ts';
import { optimizerSlots } from './optimizer-slots.ts';
import { tf, tfLayers } from './tf.ts';
import { checkTopology } from './topology.ts';

/** Bounds on a Program from elsewhere. */
export interface ProgramBounds {
  /** Weights of the model. */
  maxParameters: number;
  /** Float32 values that the layers compute for one batch. */
  maxActivations: number;
  /** Bytes for weights, gradients, optimizer slots and what the layers compute for one batch. */
  maxMemoryBytes: number;
}

export const defaultBounds: ProgramBounds = {
  maxParameters: 2 ** 28,
  maxActivations: 2 ** 30,
  maxMemoryBytes: 2 ** 40,
};

/** A job may use the memory that its JobSpec declares, which is what a pool sells it. */
export function boundsOf({ resources }: JobSpec): ProgramBounds {
  const { memoryMiB, gpuMemoryMiB, gpuCount } = resources;
  return { ...defaultBounds, maxMemoryBytes: (memoryMiB + gpuMemoryMiB * gpuCount) * 2 ** 20 };
}

/** How a weight begins; read from the topology, evaluated by initialWeight. */
export interface InitializerSpec {
  className: string;
  config: Record<string, unknown>;
}

/** One weight of a model, in layout order: what the optimizer moves first, then running statistics. */
export interface ModelWeight {
  name: string;
  shape: number[];
  trainable: boolean;
  initializer: InitializerSpec;
  variable: tf.Variable;
}

/** A Program's model, built with weights of zero. */
export interface BuiltModel {
  model: tfLayers.LayersModel;
  weights: ModelWeight[];
  /** Gives the Dropout layers their random streams. */
  useRandom(context: RandomContext): void;
  dispose(): void;
}

type AddWeight = (
  this: tfLayers.layers.Layer,
  name: string,
  shape: number[],
  dtype: tf.DataType | undefined,
  initializer: { getClassName(): string; getConfig(): unknown; apply(shape: number[], dtype?: tf.DataType): tf.Tensor },
  ...rest: unknown[]
) => tfLayers.LayerVariable;

/**
 * Builds a Program's model. Weights are counted before they are allocated, so that a hostile Program costs nothing.
 * @param batchSize used to bound the activations
 * @throws UnsupportedProgramError, ProgramTooLargeError
 */
export async function buildModel(
  program: Program,
  batchSize = 1,
  bounds: ProgramBounds = defaultBounds,
): Promise<BuiltModel> {
  registerLayers();
  const topology = checkTopology(program.topology);
  const initializers = new Map<tfLayers.LayerVariable, InitializerSpec>();
  const layerPrototype = tfLayers.layers.Layer.prototype as unknown as { addWeight: AddWeight };
  const addWeight = layerPrototype.addWeight;
  const zeros = tfLayers.initializers.zeros() as unknown as Parameters<AddWeight>[3];
  let parameters = 0;
  layerPrototype.addWeight = function (name, shape, dtype, initializer, ...rest) {
    if (!shape.every((size) => Number.isSafeInteger(size) && size > 0))
      throw new UnsupportedProgramError(
        `Program: weight ${this.name}/${name} has the shape [${shape.join(', ')}]; every size must be a positive whole number.`,
      );
    parameters += shape.reduce((product, size) => product * size, 1);
    if (!(parameters <= bounds.maxParameters))
      throw new ProgramTooLargeError('number of weights', parameters, bounds.maxParameters);
    // The variable takes over the zeros' data; the tensor itself would stay, and keep them when the variable moves on.
    const variable = tf.tidy(
      () => addWeight.call(this, name, shape, dtype, zeros, ...rest) as unknown as tf.TensorContainer,
    ) as unknown as tfLayers.LayerVariable;
    initializers.set(variable, {
      className: initializer.getClassName(),
      config: (initializer.getConfig() ?? {}) as Record<string, unknown>,
    });
    return variable;
  };
  let building: Promise<tfLayers.LayersModel>;
  try {
    // Deserialization happens before the first await inside, so the hook is in place for exactly this model.
    building = tfLayers.models.modelFromJSON(
      topology as unknown as Parameters<typeof tfLayers.models.modelFromJSON>[0],
    );
  } finally {
    layerPrototype.addWeight = addWeight;
  }
  let model: tfLayers.LayersModel;
  try {
    model = await building;
  } catch (cause) {
    for (const variable of initializers.keys()) variable.dispose();
    if (cause instanceof TrainerError) throw cause;
    const fault = MachineFaultError.of(cause);
    if (fault !== null) throw fault;
    throw new UnsupportedProgramError(
      `Program: TensorFlow.js refuses the topology: ${cause instanceof Error ? cause.message.slice(0, 500) : 'unknown reason'} Correct the layer named there.`,
      { cause },
    );
  }
  if ((model.inputs as unknown) === undefined)
    throw new UnsupportedProgramError(
      'Program: the first layer has no input shape: set batch_input_shape of the first layer.',
    );
  try {
    checkMemory(program, model, parameters, batchSize, bounds);
  } catch (error) {
    for (const variable of initializers.keys()) variable.dispose();
    throw error;
  }
  return {
    model,
    weights: listWeights(model, initializers),
    useRandom(context) {
      allLayers(model)
        .filter((layer) => layer instanceof DeterministicDropout)
        .forEach((layer, index) => {
          layer.drawFrom(context, index);
        });
    },
    dispose() {
      for (const variable of initializers.keys()) variable.dispose();
    },
  };
}

function listWeights(
  model: tfLayers.LayersModel,
  initializers: ReadonlyMap<tfLayers.LayerVariable, InitializerSpec>,
): ModelWeight[] {
  const toWeight =
    (trainable: boolean) =>
    (weight: tfLayers.LayerVariable, index: number): ModelWeight => ({
      name: `${trainable ? 'w' : 's'}${String(index)}/${weight.originalName}`,
      shape: weight.shape as number[],
      trainable,
      initializer: initializers.get(weight) ?? { className: 'Zeros', config: {} },
      // Layers keep their variable to themselves; the optimizer here works on variables.
      variable: (weight as unknown as { val: tf.Variable }).val,
    });
  return [...model.trainableWeights.map(toWeight(true)), ...model.nonTrainableWeights.map(toWeight(false))];
}

function allLayers(model: tfLayers.LayersModel): tfLayers.layers.Layer[] {
  return model.layers.flatMap((layer) => {
    if (layer instanceof tfLayers.LayersModel) return [layer, ...allLayers(layer)];
    const inner = (layer as { layer?: tfLayers.layers.Layer }).layer;
    return inner === undefined ? [layer] : [layer, inner];
  });
}

type Shape = (number | null)[];

/** A lower bound of what a step needs, so that what surely does not fit is refused before it is tried. */
function checkMemory(
  program: Program,
  model: tfLayers.LayersModel,
  parameters: number,
  batchSize: number,
  { maxActivations, maxMemoryBytes }: ProgramBounds,
): void {
  let activations = 0;
  for (const layer of allLayers(model)) {
    const nodes = (layer as unknown as { inboundNodes: { inputShapes: Shape[]; outputShapes: Shape[] }[] })
      .inboundNodes;
    for (const { inputShapes, outputShapes } of nodes) {
      activations += outputShapes.reduce((sum, shape) => sum + elementsOf(shape, batchSize), 0);
      activations += hiddenActivations(layer, inputShapes[0] ?? [], outputShapes[0] ?? [], batchSize);
    }
  }
  if (!(activations <= maxActivations))
    throw new ProgramTooLargeError('number of layer outputs of a batch', activations, maxActivations);
  // Weights and gradients, the optimizer's slots; outputs are kept for the way back.
  const bytes = 4 * (parameters * (2 + optimizerSlots(program.optimizer).slots.length) + activations);
  if (!(bytes <= maxMemoryBytes))
    throw new ProgramTooLargeError('memory in bytes (JobSpec.resources declares it)', bytes, maxMemoryBytes);
}

/** Values that layers compute on the way to their output, where these are more than the output has. */
function hiddenActivations(layer: tfLayers.layers.Layer, input: Shape, output: Shape, batchSize: number): number {
  if (layer instanceof CausalSelfAttention) return layer.hiddenElements(input, batchSize);
  const gates = { SimpleRNN: 1, GRU: 3, LSTM: 4 }[layer.getClassName()];
  return gates === undefined ? 0 : gates * batchSize * (input[1] ?? 1) * (output.at(-1) ?? 1);
}

function elementsOf(shape: Shape, batchSize: number): number {
  return shape.reduce<number>((product, size) => product * (size ?? 1), 1) * batchSize;
}
