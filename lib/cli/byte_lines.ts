/** Lines of streams as bytes: what stands in them is handed on as it came, UTF-8 or not. */

import { joinBytes } from "../json/copy.ts";

const NEWLINE = 0x0a;

/**
 * The lines of a stream without their ends, blank ones too.
 * @param most bytes of one line. @throws {RangeError} for a longer one, and what the stream throws
 */
export async function* byteLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  most = Infinity,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let pieces: Uint8Array[] = [], length = 0;
  for await (const chunk of stream ?? []) {
    for (let from = 0; from < chunk.length;) {
      const at = chunk.indexOf(NEWLINE, from);
      const piece = chunk.subarray(from, at < 0 ? chunk.length : at);
      pieces.push(piece);
      length += piece.length;
      if (length > most) throw new RangeError("the line is too long");
      if (at < 0) break;
      yield joinBytes(pieces);
      pieces = [];
      length = 0;
      from = at + 1;
    }
  }
  if (length > 0) yield joinBytes(pieces);
}
