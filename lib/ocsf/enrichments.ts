/** HEC `fields` as OCSF enrichments. */

import { afterSpace, afterString, afterValue } from "../json/skip.ts";
import type { GrowingBytes } from "../template.ts";
import { putAscii, putAsString, putOneLine } from "./put.ts";

const QUOTE = 0x22, COMMA = 0x2c, LEFT_BRACE = 0x7b;

/**
 * Writes `,"enrichments":[…]` for the valid JSON value at `start`…`end`: one a member, in order, its value as text in
 * `value` and as it stands in `data`. Nothing where there is none; what is no object is one enrichment named `fields`.
 */
export function putEnrichments(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: GrowingBytes,
): void {
  if (start === end) return;
  if (bytes[start] !== LEFT_BRACE) {
    putAscii(',"enrichments":[{"name":"fields"', into);
    putValue(bytes, start, end, into);
    putAscii("]", into);
    return;
  }
  let opening = ',"enrichments":[{"name":';
  let at = afterSpace(bytes, start + 1);
  while (bytes[at] === QUOTE) {
    const nameEnd = afterString(bytes, at);
    const value = afterSpace(bytes, afterSpace(bytes, nameEnd) + 1);
    const valueEnd = afterValue(bytes, value, end);
    putAscii(opening, into);
    putAsString(bytes, at, nameEnd, into);
    putValue(bytes, value, valueEnd, into);
    opening = ',{"name":';
    at = afterSpace(bytes, valueEnd);
    if (bytes[at] !== COMMA) break;
    at = afterSpace(bytes, at + 1);
  }
  if (opening.startsWith(",{")) putAscii("]", into);
}

function putValue(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: GrowingBytes,
): void {
  putAscii(',"value":', into);
  putAsString(bytes, start, end, into);
  putAscii(',"data":', into);
  putOneLine(bytes, start, end, into);
  putAscii(',"provider":"hec"}', into);
}
