import { Field, GraphQLISODateTime, ObjectType } from '@nestjs/graphql';
import { Role } from './enums.ts';
import { resultOf } from './failures.ts';
import { Address } from './scalars.ts';

@ObjectType({ description: 'A signed-in session.' })
export class SignInSession {
  @Field(() => String, {
    description: 'Bearer token for the header `authorization`. Shown once; the API keeps only its hash.',
  })
  token!: string;

  @Field(() => Address, { description: 'Who is signed in.' })
  address!: string;

  @Field(() => GraphQLISODateTime, { description: 'When the session ends by itself.' })
  expiresAt!: Date;
}

@ObjectType({ description: 'Who is asking.' })
export class Viewer {
  @Field(() => Address, { description: 'The signed-in address.' })
  address!: string;

  @Field(() => [Role], { description: 'What the address takes part as.' })
  roles!: Role[];

  @Field(() => GraphQLISODateTime, { description: 'When the session ends by itself.' })
  sessionExpiresAt!: Date;
}

export const SignInResult = resultOf('SignInResult', SignInSession);
