import { version_core } from '@tensorflow/tfjs-core';

/** What a log names as its software. A log is continued only by the same, because another may round differently. */
export const softwareName = `cotrain-trainer/0.1.0 tfjs/${version_core}`;
