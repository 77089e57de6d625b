/**
 * Regular expressions whose time grows with the text and the pattern, never faster: CEL's `matches` asks for RE2's,
 * JavaScript's backtrack, and an event that one of them takes for ever over would stop the whole relay. All states are
 * followed at once, character by character (Thompson's way), and each step is spent from the event's work.
 */

import { programOf, type Step } from "./pattern_program.ts";
import type { Work } from "./work.ts";

/** Units of work: a character, and a step that is followed over it. */
const CHARACTER = 4, STEP = 4;

/** A pattern, made once, asked for many texts. */
export class LinearPattern {
  readonly #program: readonly Step[];

  /** @throws {PatternFault} */
  constructor(pattern: string) {
    this.#program = programOf(pattern);
  }

  /** Whether the pattern is found anywhere in the text. @throws {WorkFault} when that takes too long. */
  isIn(text: string, work: Work): boolean {
    const program = this.#program;
    // To be made and cleared.
    work.spend(program.length >> 2);
    /** At which turn a step was reached last. */
    const reached = new Int32Array(program.length);
    const pending: number[] = [];
    const here: number[] = [], there: number[] = [];
    let turn = 0, before = -1, after = -1, steps = 0;
    /** Follows what takes no character. @returns true at the end. */
    const follow = (from: number, into: number[]): boolean => {
      pending.push(from);
      for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
        const step = program[at];
        steps++;
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
      // No character has more than the program has steps, twice.
      work.spend(CHARACTER + STEP * steps);
      steps = 0;
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
