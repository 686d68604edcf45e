import { readFile } from 'node:fs/promises';
import type { DeploymentParameters } from '@cotrain/chain';
import { z } from 'zod';

/** The parameters file is missing, is not JSON or holds a wrong value. */
export class ParametersError extends Error {
  override readonly name = 'ParametersError';
}

const seconds = z
  .number()
  .int()
  .positive()
  .max(2 ** 32 - 1);
const count = z.number().int().positive();
/** Wei as decimal digits: JSON's numbers lose the last ones. */
const wei = z
  .string()
  .regex(/^\d{1,38}$/, 'must be wei as a string of digits')
  .transform(BigInt);

const schema = z.strictObject({
  owner: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address')
    .optional(),
  unbondingSeconds: seconds.transform(BigInt).optional(),
  tokenOfferBondWei: wei.optional(),
  quorumSize: count.max(16).optional(),
  drawCount: count.max(64).optional(),
  drawDelayBlocks: count.max(256).optional(),
  drawWindow: seconds.optional(),
  commitWindow: seconds.optional(),
  revealWindow: seconds.optional(),
  minValidatorStakeWei: wei.optional(),
  silencePenaltyWei: wei.optional(),
  challengeBondWei: wei.optional(),
});

/** What an operator may choose; the defaults are those of `deployContracts`, and contracts/README.md lists them. */
export interface OperatorParameters {
  /** Who is offered the ownership of registry and market; without it the deployer keeps it. */
  owner: string | null;
  contracts: DeploymentParameters;
}

/** @throws ParametersError naming the field */
export function parseParameters(value: unknown, source: string): OperatorParameters {
  const result = schema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    const field = issue?.path.map(String).join('.') ?? '';
    throw new ParametersError(`${source}: ${field === '' ? '' : `${field}: `}${issue?.message ?? 'is wrong'}.`, {
      cause: result.error,
    });
  }
  const { owner, ...given } = result.data;
  // Absent fields are left out, so that the defaults apply.
  const contracts = Object.fromEntries(Object.entries(given).filter(([, each]) => each !== undefined));
  return { owner: owner ?? null, contracts };
}

/** @throws ParametersError */
export async function readParameters(file: string): Promise<OperatorParameters> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new ParametersError(
      code === 'ENOENT'
        ? `There is no file ${file}. --parameters names a JSON file with what differs from the defaults.`
        : `${file} cannot be read as JSON: ${message}.`,
      { cause },
    );
  }
  return parseParameters(value, file);
}
