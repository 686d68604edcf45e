import { createUnionType, Field, InterfaceType, ObjectType } from '@nestjs/graphql';

/** An expected failure: part of the schema, so a client has to deal with it. */
@InterfaceType({
  description:
    'An expected failure of a mutation. Ask for `... on Failure { message }` to handle those that you do not tell apart.',
  resolveType: (value: object) => value.constructor.name,
})
export abstract class Failure {
  @Field(() => String, { description: 'What is wrong and what to do about it, for a person.' })
  message!: string;
}

@ObjectType({ implements: () => [Failure], description: 'The caller is not signed in, or his session has ended.' })
export class UnauthenticatedError extends Failure {}

@ObjectType({
  implements: () => [Failure],
  description: 'The caller may not do this: the object belongs to somebody else.',
})
export class ForbiddenError extends Failure {}

@ObjectType({ implements: () => [Failure], description: 'There is no such object.' })
export class NotFoundError extends Failure {}

@ObjectType({ implements: () => [Failure], description: 'A field has a value that cannot be used.' })
export class ValidationError extends Failure {
  @Field(() => String, { description: 'Path of the field, such as `windows.0.timeZone`.' })
  field!: string;
}

@ObjectType({
  implements: () => [Failure],
  description: 'The contract would refuse the transaction now; it was tried against the newest block and not prepared.',
})
export class ContractRefusalError extends Failure {
  @Field(() => String, {
    nullable: true,
    description: "Name of the contract's error, such as `AlreadyPaid`; null when it gave none.",
  })
  reason!: string | null;
}

@ObjectType({
  implements: () => [Failure],
  description:
    'The chain or the Swarm store does not answer now. Nothing has happened; the same call may succeed later.',
})
export class UnavailableError extends Failure {}

/** Every expected failure; each result union has all of them, so that clients handle them in one place. */
export const failureTypes = [
  UnauthenticatedError,
  ForbiddenError,
  NotFoundError,
  ValidationError,
  ContractRefusalError,
  UnavailableError,
] as const;
type FailureClass = (typeof failureTypes)[number];
export type AnyFailure = InstanceType<FailureClass>;

/** Makes a failure; every failure is an instance of its class, by which the union tells them apart. */
export function fail<T extends FailureClass>(type: T, fields: Omit<InstanceType<T>, never>): InstanceType<T> {
  return Object.assign(new type(), fields) as InstanceType<T>;
}

export function unauthenticated(): UnauthenticatedError {
  return fail(UnauthenticatedError, {
    message:
      'Sign in first: signInMessage, sign it, signIn, then send the token in the header "authorization: Bearer TOKEN". Sessions end by themselves.',
  });
}

export function invalid(field: string, problem: string): ValidationError {
  return fail(ValidationError, { field, message: `${field}: ${problem}` });
}

/** A result type: the success or one of the failures. */
export function resultOf<T extends new (...args: never[]) => object>(
  name: string,
  success: T,
): ReturnType<typeof createUnionType> {
  return createUnionType({
    name,
    description: `${success.name}, or why there is none.`,
    types: () => [success, ...failureTypes] as never,
    resolveType: (value: object) =>
      [success, ...failureTypes].find((type) => value instanceof type)?.name ?? success.name,
  });
}
