import type { Command } from 'commander';
import { addOfferActs } from './offer-act-commands.ts';
import { addOfferCreate } from './offer-create-command.ts';
import { addOfferReceipt } from './offer-receipt-command.ts';
import { addOfferViews } from './offer-view-commands.ts';

/** offer create, fund, cancel, claim, challenge, show, list, receipt. */
export function addOfferCommands(program: Command): void {
  const offer = program.command('offer').description('offers to train a model');
  addOfferCreate(offer);
  addOfferActs(offer);
  addOfferViews(offer);
  addOfferReceipt(offer);
}
