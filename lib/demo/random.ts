/** Randomness that a seed repeats (mulberry32): for samples and tests, never for secrets. */

export interface SeededRandom {
  /** 0 ≤ number < 1. */
  next(): number;
  /** An integer from `from` to `to`, both included. */
  integer(from: number, to: number): number;
  /** @throws {RangeError} when there is nothing to choose from */
  choose<T>(choices: readonly T[]): T;
  /** This many lower-case hex characters. */
  hex(length: number): string;
}

/** The same seed gives the same numbers, on every machine. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed | 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const integer = (from: number, to: number) =>
    from + Math.floor(next() * (to - from + 1));
  return {
    next,
    integer,
    choose(choices) {
      const chosen = choices[integer(0, choices.length - 1)];
      if (chosen === undefined) throw new RangeError("Nothing to choose from");
      return chosen;
    },
    hex(length) {
      let text = "";
      while (text.length < length) text += integer(0, 15).toString(16);
      return text;
    },
  };
}
