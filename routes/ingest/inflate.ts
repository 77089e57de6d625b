/** gzip bodies: several members, a cap on what comes out, and nothing of a broken one. */

import { gunzip } from "node:zlib";

/** First guess of how much larger a body gets. Log text is about ten times smaller under gzip. */
const GUESS = 16;
const LEAST = 65_536;

/** Bytes that may be held at once. */
export interface Room {
  /** False when there is no room for so many. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

export type Inflated =
  /** The caller gives `bytes.length` back. */
  | { readonly kind: "inflated"; readonly bytes: Uint8Array }
  | { readonly kind: "broken" | "too_large" | "busy" };

/**
 * Undoes gzip (RFC 1952). Room is taken before the work, for a guess first, so that many bombs at once cannot take more
 * memory than there is room for. Zero bytes behind the last member are padding; anything else there breaks it.
 */
export async function inflate(
  bytes: Uint8Array,
  options: { readonly maxBytes: number; readonly room: Room },
): Promise<Inflated> {
  const { maxBytes, room } = options;
  let cap = Math.min(maxBytes, Math.max(LEAST, bytes.length * GUESS));
  for (;;) {
    if (!room.take(cap)) return { kind: "busy" };
    const result = await gunzipUpTo(bytes, cap);
    if (typeof result !== "string") {
      room.give(cap - result.length);
      return { kind: "inflated", bytes: result };
    }
    room.give(cap);
    if (result === "broken") return { kind: "broken" };
    if (cap === maxBytes) return { kind: "too_large" };
    cap = maxBytes;
  }
}

function gunzipUpTo(
  bytes: Uint8Array,
  maxOutputLength: number,
): Promise<Uint8Array | "broken" | "too_large"> {
  return new Promise((resolve) => {
    gunzip(bytes, { maxOutputLength, chunkSize: LEAST }, (error, result) => {
      if (error === null) resolve(result);
      else {
        resolve(
          "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"
            ? "too_large"
            : "broken",
        );
      }
    });
  });
}
