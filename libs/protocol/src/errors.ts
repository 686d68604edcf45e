/** Base of every refusal of this library: the input is wrong, so a retry with the same input cannot help. */
export class ProtocolError extends Error {
  readonly retryable = false;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A Swarm reference that is not 32 bytes of hexadecimal. */
export class InvalidReferenceError extends ProtocolError {
  constructor(
    readonly field: string,
    readonly value: string,
  ) {
    super(
      `${field} is ${quote(value)}, which is no Swarm reference: give 32 bytes as 64 hexadecimal digits, with or without 0x.`,
    );
  }
}

/** A document larger than its format allows. */
export class DocumentTooLargeError extends ProtocolError {
  constructor(
    readonly document: string,
    readonly bytes: number,
    readonly maxBytes: number,
  ) {
    super(`${document} has ${String(bytes)} bytes; at most ${String(maxBytes)} are accepted. Make it smaller.`);
  }
}

/** A document that does not follow its format. `field` is a path such as `splits.train.rows`. */
export class InvalidDocumentError extends ProtocolError {
  constructor(
    readonly document: string,
    readonly field: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    // Names and reasons may quote a hostile document; a message stays readable.
    super(`${document}: ${field === '' ? 'the document' : shorten(field)} ${shorten(reason)}`, options);
  }
}

/** Bytes that are not a canonical binary encoding. */
export class InvalidEncodingError extends ProtocolError {
  constructor(
    readonly format: string,
    readonly offset: number,
    readonly reason: string,
  ) {
    super(`${format}: at byte ${String(offset)}, ${reason}`);
  }
}

/** A value outside the range that its field can hold. */
export class OutOfRangeError extends ProtocolError {
  constructor(
    readonly field: string,
    readonly value: bigint | number,
    readonly range: string,
  ) {
    super(`${field} is ${String(value)}; it must be ${range}.`);
  }
}

function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 297)}...` : text;
}

/** Hostile values may be long or hold control characters; an error message shows a bounded, escaped part. */
function quote(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
}
