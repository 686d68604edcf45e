import { parseReference } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { parseHeaderJson, verifyCommitment } from '@cotrain/trainer';
import type { Command } from 'commander';
import { CommandError, exitCodes } from '../client/errors.ts';
import { fetchOffer } from './offer-commands.ts';
import { connect, type ConnectionFlags, positiveInteger, printResult, withConnection } from './options.ts';

/** verify: what a drawn validator does, for anybody. */
export function addVerifyCommand(program: Command): void {
  withConnection(
    program
      .command('verify')
      .description("re-execute a random sample of an offer's published log")
      .argument('<offer>', 'id of the offer', positiveInteger),
  )
    .option('--sample <segments>', 'segments to execute again', positiveInteger, 3)
    .addHelpText(
      'after',
      '\nExit code 0: what was checked is right. 5: it is not. 4: the network does not let it be checked now.\n\nExample:\n  $ cotrain verify 1 --sample 5\n',
    )
    .action(async (offerId: number, flags: ConnectionFlags & { sample: number }) => {
      const { api, swarmUrl } = await connect(flags);
      const offer = await fetchOffer(api, offerId);
      if (offer.logReference === null || offer.modelReference === null)
        throw new CommandError(
          exitCodes.notFound,
          `Offer ${String(offerId)} has no commitment yet: it is ${offer.state}.`,
        );
      const verdict = await verifyCommitment({
        store: new SwarmClient({ url: swarmUrl }),
        header: parseHeaderJson(offer.headerJson),
        logReference: parseReference(offer.logReference, 'logReference'),
        modelReference: parseReference(offer.modelReference, 'modelReference'),
        sample: flags.sample,
        onSegment: (segment) => {
          if (flags.json !== true)
            console.log(
              `segment ${String(segment.segment).padStart(5)}  ${segment.ok ? 'agrees' : 'DIFFERS'}  largest difference ${segment.maxAbsoluteError.toExponential(2)}`,
            );
        },
      });
      printResult(flags, verdict, () => [`${verdict.vote} (evidence ${verdict.evidence})`]);
      if (verdict.vote !== 'Valid') process.exitCode = exitCodes.verificationFailed;
    });
}
