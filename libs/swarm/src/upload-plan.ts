import { fromHex, type Reference, toHex } from '@cotrain/protocol';
import { chunkData } from './chunk-address.ts';
import { referenceOf, TreeBuilder } from './reference-hasher.ts';

/** One request of an upload, which can be repeated on its own. */
export interface UploadPiece {
  path: '/bytes' | '/chunks';
  body: Uint8Array;
  /** What the store must answer. */
  reference: Reference;
}

/** Cuts a file into requests: its groups of 128 chunks, which are complete subtrees, then the chunks above them. */
export class UploadPlan {
  private readonly parents: UploadPiece[] = [];
  private readonly tree = new TreeBuilder((address, span, payload) => {
    this.parents.push({ path: '/chunks', body: chunkData(span, payload), reference: toHex(address) });
  });

  /** The next group; every one but the last has 128 full chunks. */
  group(body: Uint8Array): UploadPiece {
    const reference = referenceOf(body);
    this.tree.add(fromHex(reference), body.length);
    return { path: '/bytes', body, reference };
  }

  /** The file's reference and the chunks above the groups. At least one group must have been added. */
  finish(): { reference: Reference; parents: UploadPiece[] } {
    const root = this.tree.finish();
    if (root === undefined) throw new Error('An upload without a group was finished.');
    return { reference: toHex(root.address), parents: this.parents };
  }
}
