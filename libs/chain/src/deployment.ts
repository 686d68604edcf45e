import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ContractFactory, getCreateAddress, type InterfaceAbi, type Signer } from 'ethers';
import { z } from 'zod';
import { encodeCall } from './contract-call.ts';
import { InvalidDeploymentError } from './errors.ts';
import { sampledQuorumAbi, trainerRegistryAbi, trainingMarketAbi } from './generated/abi.ts';
import { sampledQuorumBytecode, trainerRegistryBytecode, trainingMarketBytecode } from './generated/bytecode.ts';

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/) as unknown as z.ZodType<`0x${string}`>;

const deploymentSchema = z.strictObject({
  chainId: z.number().int().positive(),
  market: address,
  registry: address,
  quorum: address,
  verifiers: z.record(z.string(), address),
  deployedAtBlock: z.number().int().nonnegative(),
});

/** Where the contracts are on one chain. */
export type Deployment = z.infer<typeof deploymentSchema>;

/** Parameters of the contracts; times are seconds, amounts wei. Defaults suit a public chain. */
export interface DeploymentParameters {
  unbondingSeconds?: bigint;
  tokenOfferBondWei?: bigint;
  quorumSize?: number;
  drawCount?: number;
  drawDelayBlocks?: number;
  drawWindow?: number;
  commitWindow?: number;
  revealWindow?: number;
  minValidatorStakeWei?: bigint;
  silencePenaltyWei?: bigint;
  challengeBondWei?: bigint;
}

const ether = 10n ** 18n;

/** Deploys registry, market and quorum, owned by the signer, and lets them know each other. */
export async function deployContracts(signer: Signer, parameters: DeploymentParameters = {}): Promise<Deployment> {
  const provider = signer.provider;
  if (provider === null)
    throw new InvalidDeploymentError('The deploying signer has no provider: connect it to an RPC URL.');
  const owner = await signer.getAddress();
  const { chainId } = await provider.getNetwork();
  const deploy = async (
    abi: unknown,
    bytecode: string,
    args: unknown[],
  ): Promise<{ address: `0x${string}`; block: number }> => {
    const factory = new ContractFactory(abi as InterfaceAbi, bytecode, signer);
    const contract = await factory.deploy(...args);
    const transaction = contract.deploymentTransaction();
    const receipt = await transaction?.wait();
    if (!receipt) throw new InvalidDeploymentError('A deployment transaction was dropped; run the deployment again.');
    return {
      address: getCreateAddress({ from: owner, nonce: transaction?.nonce ?? 0 }) as `0x${string}`,
      block: receipt.blockNumber,
    };
  };
  const registry = await deploy(trainerRegistryAbi, trainerRegistryBytecode, [
    owner,
    parameters.unbondingSeconds ?? 90n * 86_400n,
  ]);
  const market = await deploy(trainingMarketAbi, trainingMarketBytecode, [
    owner,
    registry.address,
    parameters.tokenOfferBondWei ?? ether / 100n,
  ]);
  const quorum = await deploy(sampledQuorumAbi, sampledQuorumBytecode, [
    market.address,
    {
      quorumSize: parameters.quorumSize ?? 5,
      drawCount: parameters.drawCount ?? 8,
      drawDelayBlocks: parameters.drawDelayBlocks ?? 2,
      drawWindow: parameters.drawWindow ?? 3_600,
      commitWindow: parameters.commitWindow ?? 86_400,
      revealWindow: parameters.revealWindow ?? 21_600,
      minStakeWei: parameters.minValidatorStakeWei ?? ether,
      silencePenaltyWei: parameters.silencePenaltyWei ?? ether / 20n,
      challengeBondWei: parameters.challengeBondWei ?? ether / 2n,
    },
  ]);
  const admitMarket = encodeCall({
    abi: trainerRegistryAbi,
    functionName: 'admitMarket',
    args: [market.address, true],
  });
  await (await signer.sendTransaction({ to: registry.address, ...admitMarket })).wait();
  const admitVerifier = encodeCall({
    abi: trainingMarketAbi,
    functionName: 'admitVerifier',
    args: [quorum.address, true],
  });
  await (await signer.sendTransaction({ to: market.address, ...admitVerifier })).wait();
  return {
    chainId: Number(chainId),
    market: market.address,
    registry: registry.address,
    quorum: quorum.address,
    verifiers: { SAMPLED: quorum.address },
    deployedAtBlock: registry.block,
  };
}

/** Writes `<folder>/<chainId>.json`. */
export async function saveDeployment(folder: string, deployment: Deployment): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${String(deployment.chainId)}.json`);
  await writeFile(`${file}.new`, `${JSON.stringify(deployment, null, 2)}\n`);
  await rename(`${file}.new`, file);
  return file;
}

/** Checks what a file or a setting says of a deployment. @throws InvalidDeploymentError naming the field */
export function parseDeployment(value: unknown, source: string): Deployment {
  const result = deploymentSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new InvalidDeploymentError(
    `${source}: ${issue?.path.map(String).join('.') ?? ''} ${issue?.message ?? 'is wrong'}. Deploy again or correct the file.`,
    { cause: result.error },
  );
}

/** @throws InvalidDeploymentError when the file is missing or wrong */
export async function loadDeployment(folder: string, chainId: number): Promise<Deployment> {
  const file = join(folder, `${String(chainId)}.json`);
  try {
    return parseDeployment(JSON.parse(await readFile(file, 'utf8')), file);
  } catch (cause) {
    if (cause instanceof InvalidDeploymentError) throw cause;
    throw new InvalidDeploymentError(
      `There is no deployment for chain ${String(chainId)} in ${folder}: ${String(cause)}`,
      { cause },
    );
  }
}
