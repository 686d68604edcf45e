import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Query, Resolver } from '@nestjs/graphql';
import { SignInRefusedError } from '../auth/sign-in.ts';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import { fail, ValidationError } from './failures.ts';
import type { RequestContext } from './requests.ts';
import { SignInResult, SignInSession } from './types.ts';

/** Sign-in with Ethereum. */
@Resolver()
export class SessionResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Mutation(() => String, {
    description: 'A nonce for a Sign-In with Ethereum message; good for ten minutes and one sign-in.',
  })
  signInNonce(): Promise<string> {
    return this.api.signIn.nonce();
  }

  @Mutation(() => SignInResult, {
    description: 'Checks message and signature (also of a contract wallet) and returns a bearer token.',
  })
  async signIn(
    @Args('message', { type: () => String }) message: string,
    @Args('signature', { type: () => String }) signature: string,
  ): Promise<SignInSession | ValidationError> {
    try {
      const { token, address, expiresAt } = await this.api.signIn.signIn(message, signature);
      return Object.assign(new SignInSession(), { token, address, expiresAt: expiresAt.toISOString() });
    } catch (error) {
      if (error instanceof SignInRefusedError)
        return fail(ValidationError, { field: 'message', message: error.message });
      throw error;
    }
  }

  @Query(() => String, { nullable: true, description: 'The address that the caller is signed in with.' })
  me(@Context() { identity }: RequestContext): string | null {
    return identity?.address ?? null;
  }
}
