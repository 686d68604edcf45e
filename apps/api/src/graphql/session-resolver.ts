import { ChainUnavailableError, readContract, sampledQuorumAbi } from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { SignInRefusedError } from '../auth/sign-in-message.ts';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import { Role } from './enums.ts';
import { type AnyFailure, fail, invalid, UnavailableError } from './failures.ts';
import { remoteCost } from './query-cost.ts';
import { limitRate, type RequestContext } from './requests.ts';
import { Address, Bytes } from './scalars.ts';
import { SignInResult, SignInSession, Viewer } from './session-types.ts';

/** Sign-in with Ethereum. */
@Resolver(() => Viewer)
export class SessionResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Mutation(() => String, {
    description:
      'A nonce for a Sign-In with Ethereum message that the client writes itself; good for ten minutes and one sign-in. Anyone.',
  })
  signInNonce(): string {
    return this.api.signIn.nonce();
  }

  @Mutation(() => String, {
    description:
      'A whole Sign-In with Ethereum message (EIP-4361) for the address, to be signed as it is (personal_sign, EIP-191). Read it before you sign. Anyone.',
  })
  signInMessage(
    @Args('address', { type: () => Address, description: 'Who wants to sign in.' }) address: string,
  ): string {
    return this.api.signIn.message(address);
  }

  @Mutation(() => SignInResult, {
    complexity: remoteCost,
    description:
      'Checks a message and its signature (by a key, or by a contract wallet as in EIP-1271) and starts a session of 12 hours. Anyone.',
  })
  async signIn(
    @Args('message', { type: () => String, description: 'The message exactly as it was signed.' }) message: string,
    @Args('signature', { type: () => Bytes, description: 'The signature of the message.' }) signature: string,
    @Context() { client }: RequestContext,
  ): Promise<SignInSession | AnyFailure> {
    limitRate(this.api.limiters.signIn, client);
    try {
      return Object.assign(new SignInSession(), await this.api.signIn.signIn(message, signature));
    } catch (error) {
      if (error instanceof SignInRefusedError) return invalid(error.field, error.message.slice(error.field.length + 2));
      if (error instanceof ChainUnavailableError)
        return fail(UnavailableError, { message: 'The chain does not answer, so a contract wallet cannot be asked.' });
      throw error;
    }
  }

  @Mutation(() => Boolean, {
    description: "Ends the caller's session. True when there was one. Anyone.",
  })
  async signOut(
    @Context() { identity }: RequestContext,
    @Args('everywhere', {
      type: () => Boolean,
      defaultValue: false,
      description: 'Ends every session of the address, not only this one.',
    })
    everywhere: boolean,
  ): Promise<boolean> {
    if (identity === null) return false;
    await this.api.signIn.signOut(identity, everywhere);
    return true;
  }

  @Query(() => Viewer, { nullable: true, description: 'Who the caller is signed in as; null when he is not. Anyone.' })
  me(@Context() { identity }: RequestContext): Omit<Viewer, 'roles'> | null {
    return identity === null ? null : { address: identity.address, sessionExpiresAt: identity.expiresAt };
  }

  @ResolveField(() => [Role], { complexity: remoteCost, description: 'What the address takes part as.' })
  async roles(@Parent() { address }: Viewer): Promise<Role[]> {
    const { database, provider, deployment } = this.api;
    const { prisma } = database;
    const [requests, payments, pools, stakeWei] = await Promise.all([
      prisma.offer.findFirst({ where: { requester: address }, select: { id: true } }),
      prisma.offerPayer.findFirst({ where: { payer: address }, select: { offerId: true } }),
      prisma.pool.findFirst({ where: { owner: address }, select: { id: true } }),
      readContract(provider, {
        abi: sampledQuorumAbi,
        address: deployment.quorum,
        functionName: 'validatorStake',
        args: [address as Hex],
      }),
    ]);
    return [
      ...(requests === null ? [] : [Role.Requester]),
      ...(payments === null ? [] : [Role.Payer]),
      ...(pools === null ? [] : [Role.PoolOperator]),
      ...(stakeWei === 0n ? [] : [Role.Validator]),
    ];
  }
}
