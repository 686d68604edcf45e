/** The database cannot be reached, or refuses the connection. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError';
  readonly retryable = true;

  constructor(where: string, cause: unknown) {
    super(
      `The database at ${where} cannot be used: ${cause instanceof Error ? cause.message || String(cause.name) : String(cause)}. Is it running, and is DATABASE_URL right?`,
      { cause },
    );
  }
}

/** DATABASE_URL is no connection string of PostgreSQL. */
export class InvalidDatabaseUrlError extends Error {
  override readonly name = 'InvalidDatabaseUrlError';
  readonly retryable = false;

  constructor() {
    super('DATABASE_URL is no connection string: use postgresql://user:password@host:port/database.');
  }
}
