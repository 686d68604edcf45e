import { createUnionType, Field, ObjectType } from '@nestjs/graphql';

/** An expected failure: part of the schema, so a client has to deal with it. */
@ObjectType({ isAbstract: true })
abstract class Failure {
  @Field(() => String)
  message!: string;
}

@ObjectType({ description: 'The caller is not signed in.' })
export class UnauthenticatedError extends Failure {}

@ObjectType({ description: 'The object belongs to somebody else.' })
export class ForbiddenError extends Failure {}

@ObjectType({ description: 'There is no such object.' })
export class NotFoundError extends Failure {}

@ObjectType({ description: 'A field has a value that cannot be used.' })
export class ValidationError extends Failure {
  @Field(() => String)
  field!: string;
}

const failureTypes = [UnauthenticatedError, ForbiddenError, NotFoundError, ValidationError] as const;
type FailureClass = (typeof failureTypes)[number];

/** Makes a failure; every failure is an instance of its class, by which the union tells them apart. */
export function fail<T extends FailureClass>(type: T, fields: Omit<InstanceType<T>, never>): InstanceType<T> {
  return Object.assign(new type(), fields) as InstanceType<T>;
}

/** A result type: the success or one of the failures. */
export function resultOf<T extends new (...args: never[]) => object>(
  name: string,
  success: T,
): ReturnType<typeof createUnionType> {
  return createUnionType({
    name,
    types: () => [success, ...failureTypes] as never,
    resolveType: (value: object) =>
      [success, ...failureTypes].find((type) => value instanceof type)?.name ?? success.name,
  });
}
