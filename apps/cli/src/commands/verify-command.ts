import { SwarmClient } from '@cotrain/swarm';
import type { Command } from 'commander';
import { Connection, type ConnectionFlags, withConnection } from '../client/connection.ts';
import { exitCodes } from '../client/errors.ts';
import { address, positiveInteger, wholeNumber } from '../client/parse-value.ts';
import { agreement, segmentLine, verifyOffer } from '../client/verify-offer.ts';
import { printResult } from '../terminal/result.ts';
import { Story } from '../terminal/story.ts';

interface VerifyFlags extends ConnectionFlags {
  market?: string;
  fromBlock: number;
  sample: number;
}

const example = `
The JobHeader and the commitment are read from the chain, log, model and data from Swarm; each chunk is checked
against its reference. Segments are drawn with this machine's randomness and executed again from the committed state
before them. Of a job for exact/1 every loss, metric and state must be equal, bit for bit; of one for tfjs/1 they may
differ by the JobSpec's tolerance. The API is asked for nothing but the market's address, and with --market not even for that.

Exit codes: 0 what was checked is right; 5 it is not (wrong, or not to be had); 3 there is no such offer or no
commitment yet; 4 chain or store do not answer now.

Examples:
  $ cotrain verify 1 --sample 5
  $ cotrain verify 1 --market 0x5FbDB2315678afecb367f032d93F642f64180aa3 \\
      --rpc https://rpc.example.org --swarm http://localhost:1633 --from-block 7000000
`;

/** verify: what a drawn validator does, for anybody. */
export function addVerifyCommand(program: Command): void {
  withConnection(
    program
      .command('verify')
      .description("re-execute a random sample of an offer's published log")
      .argument('<offer>', 'id of the offer', positiveInteger),
    ['api', 'rpc', 'swarm'],
  )
    .option('--sample <segments>', 'segments to execute again', positiveInteger, 3)
    .option('--market <address>', "the market's contract, instead of asking the API", address)
    .option('--from-block <number>', 'block to search the events from', wholeNumber, 0)
    .addHelpText('after', example)
    .action(verify);
}

async function verify(offerId: number, flags: VerifyFlags): Promise<void> {
  const connection = new Connection(flags);
  const market =
    flags.market ??
    (await (await connection.api()).query<{ market: { market: string } }>('{ market { market } }')).market.market;
  const story = new Story(process.stdout);
  const say = (text: string): void => {
    if (flags.json !== true) story.line(text);
  };
  const { trainer, ...verdict } = await verifyOffer({
    provider: await connection.provider(),
    market,
    offerId,
    fromBlock: flags.fromBlock,
    store: new SwarmClient({ url: await connection.url('swarm'), retries: 2 }),
    sample: flags.sample,
    onTrainer: (address) => {
      say(`offer ${String(offerId)}, trained by ${address}`);
    },
    onSegment: (verdict) => {
      say(segmentLine(verdict));
    },
  });
  const finding = verdict.reason ?? agreement[verdict.comparison];
  printResult(flags, { offerId, trainer, ...verdict }, () => [
    `${verdict.vote}: ${finding} (evidence ${verdict.evidence})`,
  ]);
  if (verdict.vote !== 'Valid') process.exitCode = exitCodes.verificationFailed;
}
