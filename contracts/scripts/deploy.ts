/**
 * Deploys the contracts on a chain and writes contracts/deployments/<chain id>.json.
 *
 *   COTRAIN_RPC_URL=https://… COTRAIN_DEPLOYER_KEY_FILE=key node contracts/scripts/deploy.ts [options]
 *
 *   --parameters FILE   JSON with what differs from the defaults (see contracts/README.md)
 *   --folder FOLDER     where deployments are kept; contracts/deployments unless given
 *   --chain-id ID       refuse to deploy on any other chain
 *   --replace           deploy although there is a deployment for this chain; the old file is kept beside it
 *   --dry-run           say what would be done, send nothing
 *
 * COTRAIN_DEPLOYER_PASSWORD_FILE decrypts a JSON keystore. The key is never printed. Run `npm run build` first.
 * Exit codes: 0 done; 1 refused, or the chain failed; 2 wrong usage.
 */
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type Deployment,
  deployContracts,
  encodeCall,
  readContract,
  sampledQuorumAbi,
  saveDeployment,
  trainerRegistryAbi,
  trainingMarketAbi,
} from '@cotrain/chain';
import { formatEther, JsonRpcProvider, NonceManager, type Signer } from 'ethers';
import { KeyFileError, readDeployer } from './deployer-wallet.ts';
import { ParametersError, parseParameters, readParameters } from './deployment-parameters.ts';

const help = `Deploys the contracts on a chain and writes contracts/deployments/<chain id>.json.

  COTRAIN_RPC_URL=https://... COTRAIN_DEPLOYER_KEY_FILE=key node contracts/scripts/deploy.ts [options]

Options:
  --parameters FILE   JSON with what differs from the defaults (see contracts/README.md)
  --folder FOLDER     where deployments are kept; contracts/deployments unless given
  --chain-id ID       refuse to deploy on any other chain
  --replace           deploy although there is a deployment for this chain; the old file is kept beside it
  --dry-run           say what would be done, send nothing
  -h, --help          print this

Environment:
  COTRAIN_RPC_URL                 the chain's JSON-RPC endpoint
  COTRAIN_DEPLOYER_KEY_FILE       file with the deployer's key or a JSON keystore, mode 0600; it is never printed
  COTRAIN_DEPLOYER_PASSWORD_FILE  file with the keystore's password, mode 0600

Run \`npm run build\` first.`;

/** The deployment cannot be made as asked. */
class DeploymentRefusedError extends Error {
  override readonly name = 'DeploymentRefusedError';
}

/** A flag or a variable is missing or wrong. */
class WrongUsageError extends Error {
  override readonly name = 'WrongUsageError';
}

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new WrongUsageError(`${name} is not set. --help says what it is.`);
  return value;
}

/** Reads back that the contracts know each other: a node that lies or lags must not leave us a wrong file. */
async function check(provider: JsonRpcProvider, { registry, market, quorum }: Deployment): Promise<void> {
  const answers = await Promise.all([
    readContract(provider, { abi: trainingMarketAbi, address: market, functionName: 'registry', args: [] }),
    readContract(provider, { abi: sampledQuorumAbi, address: quorum, functionName: 'market', args: [] }),
    readContract(provider, { abi: trainerRegistryAbi, address: registry, functionName: 'isMarket', args: [market] }),
    readContract(provider, { abi: trainingMarketAbi, address: market, functionName: 'isVerifier', args: [quorum] }),
  ]);
  const [itsRegistry, itsMarket, isMarket, isVerifier] = answers;
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
  if (!same(itsRegistry, registry) || !same(itsMarket, market) || !isMarket || !isVerifier)
    throw new DeploymentRefusedError('The deployed contracts do not know each other; nothing was written.');
}

/** The new owner has to accept: an address that cannot sign would own nothing. */
async function offerOwnership(signer: Signer, { registry, market }: Deployment, owner: string): Promise<void> {
  for (const to of [registry, market]) {
    const call = encodeCall({
      abi: trainingMarketAbi,
      functionName: 'transferOwnership',
      args: [owner as `0x${string}`],
    });
    await (await signer.sendTransaction({ to, ...call })).wait();
  }
}

/** The flags, as `help` has them. */
const options = {
  parameters: { type: 'string' },
  folder: { type: 'string', default: join(import.meta.dirname, '../deployments') },
  'chain-id': { type: 'string' },
  replace: { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;
type FlagValues = ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];

function readFlags(): FlagValues {
  try {
    return parseArgs({ options }).values;
  } catch (cause) {
    throw new WrongUsageError(`${cause instanceof Error ? cause.message : String(cause)}. --help names the flags.`, {
      cause,
    });
  }
}

async function main(): Promise<void> {
  const values = readFlags();
  if (values.help) {
    console.log(help);
    return;
  }
  const parameters =
    values.parameters === undefined ? parseParameters({}, 'defaults') : await readParameters(values.parameters);
  const wallet = await readDeployer(
    setting('COTRAIN_DEPLOYER_KEY_FILE'),
    process.env['COTRAIN_DEPLOYER_PASSWORD_FILE'] ?? null,
  );
  const provider = new JsonRpcProvider(setting('COTRAIN_RPC_URL'), undefined, { cacheTimeout: -1 });
  try {
    const { chainId } = await provider.getNetwork();
    if (values['chain-id'] !== undefined && values['chain-id'] !== String(chainId))
      throw new DeploymentRefusedError(`The node is on chain ${String(chainId)}, not on ${values['chain-id']}.`);
    const file = join(values.folder, `${String(chainId)}.json`);
    if (existsSync(file) && !values.replace)
      throw new DeploymentRefusedError(`${file} exists: pass --replace to deploy again beside those contracts.`);
    const balanceWei = await provider.getBalance(wallet.address);
    console.log(`chain ${String(chainId)}, deployer ${wallet.address} with ${formatEther(balanceWei)} ETH`);
    for (const [name, value] of Object.entries(parameters.contracts)) console.log(`  ${name} ${String(value)}`);
    if (balanceWei === 0n) throw new DeploymentRefusedError('The deployer has no ETH for gas.');
    if (values['dry-run']) {
      console.log(`would deploy registry, market and quorum and write ${file}; nothing was sent`);
      return;
    }
    const signer = new NonceManager(wallet.connect(provider));
    const deployment = await deployContracts(signer, parameters.contracts);
    console.log(`registry ${deployment.registry}`);
    console.log(`market   ${deployment.market}`);
    console.log(`quorum   ${deployment.quorum}`);
    await check(provider, deployment);
    if (existsSync(file)) await rename(file, `${file}.${String(deployment.deployedAtBlock)}.old`);
    console.log(`written to ${await saveDeployment(values.folder, deployment)}`);
    if (parameters.owner !== null) {
      await offerOwnership(signer, deployment, parameters.owner);
      console.log(`ownership offered to ${parameters.owner}, who has to call acceptOwnership on registry and market`);
    }
  } finally {
    provider.destroy();
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  const isUsage = [WrongUsageError, KeyFileError, ParametersError].some((type) => error instanceof type);
  process.exitCode = isUsage ? 2 : 1;
}
