import { asChainError, decodeEvent, interfaceOf, trainingMarketAbi } from '@cotrain/chain';
import { hashJobHeader, type JobHeader, parseReference, type Reference } from '@cotrain/protocol';
import { type JsonRpcProvider, toBeHex } from 'ethers';
import { CommandError, exitCodes } from './errors.ts';

/** What a check of an offer starts from: all of it as the chain has it. */
export interface CommittedOffer {
  header: JobHeader;
  trainer: string;
  logReference: Reference;
  modelReference: Reference;
}

/**
 * Reads an offer's JobHeader and commitment from the market's events, so that nobody's API has to be believed.
 * @throws CommandError: 3 when there is no such offer or no commitment yet, 4 when the chain does not answer
 */
export async function readCommittedOffer(
  provider: JsonRpcProvider,
  market: string,
  offerId: number,
  fromBlock: number,
): Promise<CommittedOffer> {
  const events = interfaceOf(trainingMarketAbi);
  const topics = ['OfferOpened', 'JobCommitted'].map((name) => events.getEvent(name)?.topicHash ?? '');
  const logs = await provider
    .getLogs({ address: market, fromBlock, toBlock: 'latest', topics: [topics, toBeHex(offerId, 32)] })
    .catch((error: unknown) => {
      const reason = asChainError(error, 'eth_getLogs', []);
      throw new CommandError(
        exitCodes.unavailable,
        `${reason.message} Does it want a smaller range? See --from-block.`,
        {
          cause: error,
        },
      );
    });
  let header: JobHeader | undefined;
  for (const log of logs) {
    const event = decodeEvent(trainingMarketAbi, log);
    if (event?.eventName === 'OfferOpened') {
      const { args } = event;
      header = { ...args.header };
      if (hashJobHeader(header) !== args.jobHeaderHash)
        throw new CommandError(
          exitCodes.failure,
          `The chain's JobHeader of offer ${String(offerId)} has another hash.`,
        );
    }
    if (event?.eventName === 'JobCommitted' && header !== undefined) {
      const { trainer, logReference, modelReference } = event.args;
      return {
        header,
        trainer,
        logReference: parseReference(logReference, 'logReference'),
        modelReference: parseReference(modelReference, 'modelReference'),
      };
    }
  }
  throw new CommandError(
    exitCodes.notFound,
    header === undefined
      ? `The market ${market} has no offer ${String(offerId)} from block ${String(fromBlock)} on.`
      : `Offer ${String(offerId)} has no commitment yet: there is nothing to check. Try again when it is trained.`,
  );
}
