import { decodeEvent, encodeCall, readContract, trainingMarketAbi } from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import type { Wallet } from 'ethers';
import { actOnOffer } from '../client/act-on-offer.ts';
import type { OfferAnswer } from '../client/offer-queries.ts';
import { sendTransaction } from '../client/send-transaction.ts';
import { withdrawCredit } from '../client/withdraw-credit.ts';
import { ether } from '../terminal/amount.ts';
import { companies } from './cast.ts';
import type { Stage } from './stage.ts';

const etherToken: Hex = `0x${'0'.repeat(40)}`;

/** What one company got back of one offer. */
interface Claim {
  offerId: number;
  /** Of the reward and the fee. */
  amountWei: bigint;
  /** Of the slashed stake. */
  etherWei: bigint;
}

/** Companies claim and withdraw, validators withdraw, and the pools' earnings are waited for. */
export async function settleUp(stage: Stage, offers: readonly OfferAnswer[]): Promise<void> {
  const { story } = stage;
  story.heading('8. Everybody takes what is his');
  const claims = await Promise.all(stage.companies.map((wallet) => takeRefunds(stage, wallet, offers)));
  for (const [index, taken] of claims.entries()) {
    story.line(`  ${companies[index]?.name ?? ''}`);
    for (const { offerId, amountWei, etherWei } of taken)
      story.line(
        `    offer ${String(offerId)}: ${ether(amountWei)} ETH back${etherWei === 0n ? '' : `, and ${ether(etherWei)} ETH of the cheat's stake`}`,
      );
  }
  for (const offer of offers) {
    const sum = (pick: (claim: Claim) => bigint): bigint =>
      claims.flat().reduce((total, claim) => (claim.offerId === offer.id ? total + pick(claim) : total), 0n);
    const surplusWei = BigInt(offer.refundableWei ?? 0);
    const slashedWei = BigInt(offer.refundableEtherWei ?? 0);
    stage.expect(
      sum(({ amountWei }) => amountWei) === surplusWei && sum(({ etherWei }) => etherWei) === slashedWei,
      `the claims of offer ${String(offer.id)} do not sum up to ${String(surplusWei)} and ${String(slashedWei)} wei.`,
    );
    story.line(`  offer ${String(offer.id)}: together ${ether(surplusWei + slashedWei)} ETH, to the wei`);
  }
  const fees = await Promise.all(stage.validators.map((wallet) => takeFees(stage, wallet)));
  stage.expect(
    fees.every((feeWei) => feeWei > 0n),
    'a validator who voted got no fee.',
  );
  story.line(`  validators took their fees: ${fees.map((feeWei) => `${ether(feeWei)} ETH`).join(', ')}`);
  // The pools' price and bonds are withdrawn by the API, through the signer.
  await Promise.all(stage.pools.map((wallet) => emptied(stage, wallet)));
  story.line('  pools took their price and their bonds');
}

async function takeRefunds(stage: Stage, wallet: Wallet, offers: readonly OfferAnswer[]): Promise<Claim[]> {
  const account = await stage.signatory(wallet);
  const claims: Claim[] = [];
  for (const { id } of offers) {
    const { logs } = await actOnOffer(account, 'claimRefund', id);
    for (const log of logs) {
      const event = decodeEvent(trainingMarketAbi, log);
      if (event?.eventName === 'RefundClaimed')
        claims.push({ offerId: id, amountWei: event.args.amountWei, etherWei: event.args.etherWei });
    }
  }
  await withdrawCredit(account, 'Market');
  return claims;
}

/**
 * Withdraws what market and quorum have credited to a validator, and returns how much it was. Fees come from the offer's
 * escrow, so most of it is owed by the market.
 */
async function takeFees(stage: Stage, wallet: Wallet): Promise<bigint> {
  const { market, quorum } = stage.stack.deployment;
  let takenWei = 0n;
  for (const address of [market, quorum]) {
    const creditWei = await creditOf(stage, address, wallet);
    if (creditWei === 0n) continue;
    const { data } = encodeCall({ abi: trainingMarketAbi, functionName: 'withdraw', args: [etherToken] });
    await sendTransaction(wallet, { to: address, data, valueWei: '0' });
    takenWei += creditWei;
  }
  return takenWei;
}

/** Both contracts keep their accounts alike. */
function creditOf(stage: Stage, contract: Hex, wallet: Wallet): Promise<bigint> {
  return readContract(stage.stack.provider, {
    abi: trainingMarketAbi,
    address: contract,
    functionName: 'credit',
    args: [wallet.address as Hex, etherToken],
  });
}

async function emptied(stage: Stage, wallet: Wallet): Promise<void> {
  const { market } = stage.stack.deployment;
  await stage.waitFor(
    `${stage.poolOf(wallet.address)} to withdraw`,
    () => creditOf(stage, market, wallet),
    (creditWei) => creditWei === 0n,
  );
}
