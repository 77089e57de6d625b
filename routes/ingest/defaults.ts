/** What fills the metadata that an event lacks. */

import { isUsableTime } from "../../lib/format/hec.ts";
import type { Defaults } from "../../lib/log/intake.ts";
import type { IngestToken } from "../../lib/tokens.ts";
import type { Answer } from "./hec_answer.ts";

/** What the query gives, then what the token gives. */
export function defaultsOf(
  token: IngestToken,
  parameters: URLSearchParams | undefined,
): Defaults {
  if (parameters === undefined) return token.defaults;
  const given: Record<string, string> = {};
  for (const key of ["host", "source", "sourcetype", "index", "time"]) {
    const value = parameters.get(key);
    if (value !== null && value !== "") given[key] = value;
  }
  return { ...token.defaults, ...given };
}

/** The reply where defaults fit no event, whatever the body says. */
export function judgeDefaults(
  endpoint: "event" | "raw",
  { indexes }: IngestToken,
  { time, index }: Defaults,
): Answer | undefined {
  if (time !== undefined && !isUsableTime(time)) return { code: 15, number: 0 };
  // An envelope may have an index of its own; a line has not.
  const isListed = endpoint === "event" || index === undefined ||
    indexes === undefined || indexes.has(index);
  return isListed ? undefined : { code: 7, number: 1 };
}
