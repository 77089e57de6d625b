/** What the demo SIEM remembers of events and requests. */

/** One event as it came; a repeated one is there again. */
export interface Arrival {
  /** Place in the order of arrival, from 0. */
  readonly number: number;
  /** Number of the request that brought it, and its place among that request's events, both from 0. */
  readonly request: number;
  readonly place: number;
  /** Number of the connection at the server, from 0. */
  readonly connection: number;
  /** When, in milliseconds of the SIEM's clock. */
  readonly at: number;
  /** Bytes of the event. */
  readonly length: number;
  /** SHA-256 of the event's bytes, lower-case hex. */
  readonly sha256: string;
  /** The event's own bytes, and the record that it came in. `undefined` once no longer kept. */
  readonly event: Uint8Array | undefined;
  readonly envelope: Uint8Array | undefined;
}

/** One request. */
export interface RequestRecord {
  readonly number: number;
  readonly connection: number;
  readonly at: number;
  readonly method: string;
  /** Below the target's prefix. */
  readonly path: string;
  /** As sent, `Authorization` too: the tokens here are those of a demo. */
  readonly headers: Headers;
  /** After decompression. */
  readonly body: Uint8Array;
  /** The answer's status; 0 when no whole answer was sent. */
  readonly status: number;
  readonly reply: string;
  /** Events taken from it. */
  readonly events: number;
}

/** How much a target remembers. */
export interface Memory {
  /** The last so many arrivals are listed. */
  readonly arrivals: number;
  /** The last so many of them keep their bytes. */
  readonly bytes: number;
  /** The last so many requests are listed, with their bodies. */
  readonly requests: number;
}
