/** Times as people and files give them: RFC 3339, read to the letter. */

const RFC3339 =
  /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d)?(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const DATE_CHARS = 10;

/**
 * The time that an RFC 3339 text says (section 5.6; a space may stand for the T), in milliseconds since the Unix epoch;
 * what is finer is cut off. Undefined: it is none, or a day that no calendar has (30 February), which `Date.parse` takes
 * for a later one. Leap seconds are not taken. `needsSeconds` false: `00:00Z` will do.
 */
export function momentOf(
  text: string,
  { needsSeconds = true }: { readonly needsSeconds?: boolean } = {},
): number | undefined {
  const found = RFC3339.exec(text);
  if (found === null) return undefined;
  const [, date = "", time = "", seconds, fraction = "", offset = ""] = found;
  if (seconds === undefined && (needsSeconds || fraction !== "")) {
    return undefined;
  }
  // RFC 3339 knows no hour 24, ISO 8601 does.
  if (time.startsWith("24")) return undefined;
  const day = Date.parse(`${date}T00:00:00Z`);
  if (
    Number.isNaN(day) ||
    new Date(day).toISOString().slice(0, DATE_CHARS) !== date
  ) return undefined;
  // NaN: an hour, a minute or an offset that there is not.
  const at = Date.parse(
    `${date}T${time}${seconds ?? ":00"}${
      fraction.slice(0, 4)
    }${offset.toUpperCase()}`,
  );
  return Number.isNaN(at) ? undefined : at;
}
