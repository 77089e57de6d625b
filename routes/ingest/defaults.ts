/** What fills the metadata that an event lacks. */

import { isUsableTime } from "../../lib/format/hec.ts";
import type { Defaults } from "../../lib/log/intake.ts";
import type { IngestToken } from "../../lib/tokens.ts";
import type { Answer } from "./hec_answer.ts";

/** UTF-8 bytes of one value in the query: each event carries it on to the SIEMs. */
const MAX_VALUE = 1_024;

const encoder = new TextEncoder();

/** What the query gives, then what the token gives; or the reply where that fits no event, whatever the body says. */
export function readDefaults(
  endpoint: "event" | "raw",
  token: IngestToken,
  parameters: URLSearchParams | undefined,
): Defaults | Answer {
  let defaults: Defaults = token.defaults;
  if (parameters !== undefined) {
    const given: Record<string, string> = {};
    for (const key of ["host", "source", "sourcetype", "index", "time"]) {
      const value = parameters.get(key) ?? "";
      if (value === "") continue;
      if (encoder.encode(value).length > MAX_VALUE) {
        return { code: 6, number: 0 };
      }
      given[key] = value;
    }
    defaults = { ...defaults, ...given };
  }
  const { time, index } = defaults;
  if (time !== undefined && !isUsableTime(time)) return { code: 15, number: 0 };
  // An envelope may have an index of its own; a line has not.
  const isListed = endpoint === "event" || index === undefined ||
    token.indexes === undefined || token.indexes.has(index);
  return isListed ? defaults : { code: 7, number: 1 };
}
