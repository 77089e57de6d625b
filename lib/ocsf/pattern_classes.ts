/** What single characters a regular expression's classes take (RE2's: letters and digits of ASCII alone). */

/** Whether a code point is meant. -1, the text's end, never is a character. */
export type Test = (code: number) => boolean;

export const NEWLINE = 0x0a;
const isDigit: Test = (c) => c >= 0x30 && c <= 0x39;
const isUpper: Test = (c) => c >= 0x41 && c <= 0x5a;
const isLower: Test = (c) => c >= 0x61 && c <= 0x7a;
/** `\w`. */
export function isWord(c: number): boolean {
  return isDigit(c) || isUpper(c) || isLower(c) || c === 0x5f;
}
const isSpace: Test = (c) =>
  c === 0x20 || c === 0x09 || c === NEWLINE || c === 0x0c || c === 0x0d;
export const not = (test: Test): Test => (c) => !test(c);
export const among = (tests: readonly Test[]): Test => (c) =>
  tests.some((test) => test(c));
/** Classes by the letter behind the backslash. */
export const CLASSES: Readonly<Record<string, Test>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
};

/** Classes by their name in `[[:name:]]`. */
export const POSIX: Readonly<Record<string, Test>> = {
  alnum: among([isDigit, isUpper, isLower]),
  alpha: among([isUpper, isLower]),
  ascii: (c) => c >= 0 && c <= 0x7f,
  blank: (c) => c === 0x20 || c === 0x09,
  cntrl: (c) => c >= 0 && c < 0x20 || c === 0x7f,
  digit: isDigit,
  graph: (c) => c > 0x20 && c < 0x7f,
  lower: isLower,
  print: (c) => c >= 0x20 && c < 0x7f,
  punct: (c) => c > 0x20 && c < 0x7f && !isWord(c) || c === 0x5f,
  space: (c) => isSpace(c) || c === 0x0b,
  upper: isUpper,
  word: isWord,
  xdigit: (c) => isDigit(c) || c >= 0x41 && c <= 0x46 || c >= 0x61 && c <= 0x66,
};

/** Characters by the letter behind the backslash. */
export const ESCAPES: Readonly<Record<string, number>> = {
  a: 0x07,
  f: 0x0c,
  n: NEWLINE,
  r: 0x0d,
  t: 0x09,
  v: 0x0b,
};

/** As `test`, whatever the case. */
export function caseless(test: Test): Test {
  return (c) => {
    if (test(c)) return true;
    if (c < 0) return false;
    const text = String.fromCodePoint(c);
    const lower = text.toLowerCase().codePointAt(0) ?? c;
    const upper = text.toUpperCase().codePointAt(0) ?? c;
    return test(lower) || test(upper);
  };
}
