/** Texts for a terminal: what others wrote must not move the cursor, change colours or turn the direction of writing. */

/** A line with `?` in place of each such character, line breaks included. */
export function printable(line: string): string {
  return line.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, "?");
}
