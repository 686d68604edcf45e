import { MantarayNode } from '@ethersphere/bee-js';
import { fromHex, type Hex, type Reference } from '@cotrain/protocol';
import { ReferenceHasher } from '../reference-hasher.ts';
import type { ChunkFiles } from './chunk-files.ts';

/** Stores the manifest that gives a feed one reference: a single path whose metadata names owner and topic. */
export async function storeFeedManifest(files: ChunkFiles, owner: Hex, topic: Hex): Promise<Reference> {
  const root = new MantarayNode();
  root.addFork('/', new Uint8Array(32), {
    'swarm-feed-owner': owner.slice(2),
    'swarm-feed-topic': topic.slice(2),
    'swarm-feed-type': 'Sequence',
  });
  for (const fork of root.forks.values()) fork.node.selfAddress = fromHex(storeBytes(files, await fork.node.marshal()));
  return storeBytes(files, await root.marshal());
}

function storeBytes(files: ChunkFiles, bytes: Uint8Array): Reference {
  return new ReferenceHasher((address, span, payload) => {
    files.writePayload(address, span, payload);
  })
    .update(bytes)
    .digest();
}
