import { type Deployment, interfaceOf, sampledQuorumAbi, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import type { SigningPolicy } from './policy.ts';

/** What pools, validators and keepers do for their offers, and nothing else. Only a bid sends ETH: its bond. */
const duties = {
  market: [
    'bid',
    'award',
    'start',
    'commit',
    'finalize',
    'expireFunding',
    'expireAward',
    'expireTraining',
    'expireVerdict',
    'withdraw',
  ],
  quorum: ['draw', 'commitVote', 'revealVote', 'tally', 'withdraw'],
  registry: ['withdraw'],
} as const;

/** Bonds that an account may have sent within a day, in bonds of the largest size. */
const bondsPerDay = 10n;

/** The policy that a signer of this deployment needs. @param maxBondWei largest bond of one bid */
export function defaultPolicy(deployment: Deployment, maxBondWei: bigint): SigningPolicy {
  const abis = { market: trainingMarketAbi, quorum: sampledQuorumAbi, registry: trainerRegistryAbi };
  const allow = (Object.keys(duties) as (keyof typeof duties)[]).flatMap((contract) =>
    duties[contract].map((name) => {
      const found = interfaceOf(abis[contract]).getFunction(name);
      if (found === null) throw new Error(`The ${contract} has no function ${name}.`);
      const maxValueWei = name === 'bid' ? String(maxBondWei) : '0';
      return { to: deployment[contract], selector: found.selector, name, maxValueWei };
    }),
  );
  return { allow, dailyValueWei: String(maxBondWei * bondsPerDay) };
}
