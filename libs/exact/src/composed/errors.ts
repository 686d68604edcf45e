import { ExactError } from '../errors.ts';

/** The backend that a composition is to compute with is not there. */
export class InnerBackendUnavailableError extends ExactError {
  override readonly name = 'InnerBackendUnavailableError';
  readonly backend: string;
  constructor(backend: string) {
    super(
      `TensorFlow.js has no backend '${backend}', or it could not be started. Import its package first: @tensorflow/tfjs-backend-cpu for 'cpu', @tensorflow/tfjs-backend-wasm for 'wasm', and loadTfjsNode() for 'tensorflow'.`,
    );
    this.backend = backend;
  }
}

/** tfjs-node is not where it is looked for, or its addon does not load. */
export class TfjsNodeUnavailableError extends ExactError {
  override readonly name = 'TfjsNodeUnavailableError';
  readonly folder: string;
  constructor(folder: string, options?: ErrorOptions) {
    const reason = options?.cause === undefined ? 'is not installed in' : 'does not load from';
    super(
      `tfjs-node ${reason} ${folder}. Build it with 'npm run tfjs-node', or name in COTRAIN_TFJS_NODE the folder whose node_modules holds it.`,
      options,
    );
    this.folder = folder;
  }
}
