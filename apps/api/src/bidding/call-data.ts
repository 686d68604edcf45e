import { type Deployment, encodeCall, sampledQuorumAbi, trainingMarketAbi } from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import type { OfferAction } from './offer-actions.ts';

/** The contract call of an action, or null for an action that needs none. */
export function callOf(action: OfferAction, offerId: number, deployment: Deployment): { to: Hex; data: Hex } | null {
  const id = BigInt(offerId);
  const market = (
    functionName: 'award' | 'start' | 'finalize' | 'expireFunding' | 'expireAward' | 'expireTraining' | 'expireVerdict',
  ): { to: Hex; data: Hex } => ({
    to: deployment.market,
    ...encodeCall({ abi: trainingMarketAbi, functionName, args: [id] }),
  });
  switch (action.kind) {
    case 'award':
    case 'start':
    case 'finalize':
    case 'expireFunding':
    case 'expireAward':
    case 'expireTraining':
    case 'expireVerdict':
      return market(action.kind);
    case 'draw':
    case 'tally':
      return { to: deployment.quorum, ...encodeCall({ abi: sampledQuorumAbi, functionName: action.kind, args: [id] }) };
    case 'commit':
      return {
        to: deployment.market,
        ...encodeCall({
          abi: trainingMarketAbi,
          functionName: 'commit',
          args: [id, action.logReference as Hex, action.modelReference as Hex],
        }),
      };
    case 'match':
    case 'bid':
    case 'schedule':
    case 'stopJob':
    case 'settle':
    case 'holdAgain':
      return null; // none, or several: see Bidder and OfferDuties
  }
}
