import { tf } from '../tf.ts';
import { CausalSelfAttention } from './attention.ts';
import { DeterministicDropout } from './dropout.ts';
import { BroadcastLayerNormalization } from './layer-normalization.ts';
import { TableEmbedding, TokenAndPositionEmbedding } from './embedding.ts';

/** Layers of our own, by the class name that a Program uses. */
export const ownLayers = [
  BroadcastLayerNormalization,
  CausalSelfAttention,
  DeterministicDropout,
  TableEmbedding,
  TokenAndPositionEmbedding,
] as const;

/** Built-in layers that ours take the place of. */
export const replacedLayers: ReadonlyMap<string, string> = new Map([
  ['Dropout', DeterministicDropout.className],
  ['Embedding', TableEmbedding.className],
  ['LayerNormalization', BroadcastLayerNormalization.className],
]);

let done = false;

/** Makes our layers known to TensorFlow.js. */
export function registerLayers(): void {
  if (done) return;
  for (const layer of ownLayers)
    tf.serialization.registerClass(layer as unknown as Parameters<typeof tf.serialization.registerClass>[0], 'cotrain');
  done = true;
}
