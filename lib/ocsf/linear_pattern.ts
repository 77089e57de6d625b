/**
 * Regular expressions whose time grows with the text alone: CEL's `matches` asks for RE2's, JavaScript's backtrack, and
 * an event that one of them takes for ever over would stop the whole relay. All states are followed at once, character
 * by character (Thompson's way).
 */

import { PatternFault, programOf, type Step } from "./pattern_program.ts";

/** Steps times characters: about a tenth of a second. */
const MOST_WORK = 10_000_000;
/** A pattern, made once, asked for many texts. */
export class LinearPattern {
  readonly #program: readonly Step[];

  /** @throws {PatternFault} */
  constructor(pattern: string) {
    this.#program = programOf(pattern);
  }

  /** Whether the pattern is found anywhere in the text. @throws {PatternFault} when that takes too long. */
  isIn(text: string): boolean {
    const program = this.#program;
    if (program.length * text.length > MOST_WORK) {
      throw new PatternFault("The text is too long for this pattern.");
    }
    /** At which turn a step was reached last. */
    const reached = new Int32Array(program.length);
    const pending: number[] = [];
    const here: number[] = [], there: number[] = [];
    let turn = 0, before = -1, after = -1;
    /** Follows what takes no character. @returns true at the end. */
    const follow = (from: number, into: number[]): boolean => {
      pending.push(from);
      for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
        const step = program[at];
        if (step === undefined || reached[at] === turn) continue;
        reached[at] = turn;
        if (step.kind === "end") return true;
        if (step.kind === "character") into.push(at);
        else if (step.kind === "assert") {
          if (step.holds(before, after)) pending.push(at + 1);
        } else {
          if (step.kind === "split") pending.push(step.other);
          pending.push(step.next);
        }
      }
      return false;
    };
    for (let place = 0;;) {
      const code = text.codePointAt(place) ?? -1;
      turn++;
      after = code;
      there.length = 0;
      // Assertions look behind and ahead: what goes on is followed only now that both are known.
      for (const at of here) if (follow(at, there)) return true;
      if (follow(0, there)) return true;
      if (code < 0) return false;
      here.length = 0;
      for (const at of there) {
        const step = program[at];
        if (step?.kind === "character" && step.test(code)) here.push(at + 1);
      }
      before = code;
      place += code > 0xffff ? 2 : 1;
    }
  }
}
