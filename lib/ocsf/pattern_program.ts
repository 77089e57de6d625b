/**
 * Reads a regular expression in RE2's syntax (https://github.com/google/re2/wiki/Syntax) and writes it as a program:
 * steps that each take one character, or none. Greedy or not and captured or not are read and make no difference.
 *
 * Over 300 lines because a grammar in pieces is harder to read than a long one.
 */

import {
  among,
  caseless,
  CLASSES,
  ESCAPES,
  isWord,
  NEWLINE,
  not,
  POSIX,
  type Test,
} from "./pattern_classes.ts";

/** What is no pattern, or one that asks for too much. The message does not quote the text. */
export class PatternFault extends Error {
  override readonly name = "PatternFault";
}

/** Steps of a pattern once its repetitions are written out. */
const MOST_STEPS = 2_000;
/** RE2's own bound of `{n,m}`. */
const MOST_REPEATS = 1_000;
/** Groups in groups. */
const DEEPEST = 100;

/** One step of the machine; `next` and `other` are places in the program. */
export type Step =
  | { readonly kind: "character"; readonly test: Test }
  | { readonly kind: "split"; next: number; other: number }
  | { readonly kind: "jump"; next: number }
  | { readonly kind: "assert"; readonly holds: Assertion }
  | { readonly kind: "end" };

/** Looks at the characters before and after a place; -1 at the ends. */
export type Assertion = (before: number, after: number) => boolean;

interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
}

const isBoundary: Assertion = (before, after) =>
  isWord(before) !== isWord(after);

/** The steps of a pattern. @throws {PatternFault} */
export function programOf(pattern: string): readonly Step[] {
  return new Parser(pattern).program();
}

/** Writes the program while it reads. */
class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #program: Step[] = [];

  constructor(pattern: string) {
    this.#text = pattern;
  }

  program(): readonly Step[] {
    this.#either({ i: false, m: false, s: false });
    if (this.#at < this.#text.length) throw this.#fault("There is a ) alone");
    this.#put({ kind: "end" });
    return this.#program;
  }

  #fault(words: string): PatternFault {
    return new PatternFault(`${words} (character ${this.#at + 1}).`);
  }

  #put(step: Step): void {
    this.#program.push(step);
    if (this.#program.length > MOST_STEPS) {
      throw new PatternFault("The pattern is too large.");
    }
  }

  #takes(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #next(): string {
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) throw this.#fault("Something is missing");
    const character = String.fromCodePoint(code);
    this.#at += character.length;
    return character;
  }

  /** Alternatives up to `)` or the end. */
  #either(flags: Flags): void {
    const ends: Extract<Step, { kind: "jump" }>[] = [];
    for (;;) {
      const from = this.#program.length;
      flags = this.#sequence(flags);
      if (!this.#takes("|")) break;
      const branch = this.#program.splice(from);
      const end: Step = { kind: "jump", next: 0 };
      ends.push(end);
      this.#put({ kind: "split", next: from + 1, other: 0 });
      this.#add(branch, 1);
      this.#put(end);
      const split = this.#program[from];
      if (split?.kind === "split") split.other = this.#program.length;
    }
    for (const end of ends) end.next = this.#program.length;
  }

  /** @returns the flags, which may have changed for what follows in the group. */
  #sequence(given: Flags): Flags {
    let flags = given;
    while (this.#at < this.#text.length) {
      const ahead = this.#text[this.#at];
      if (ahead === "|" || ahead === ")") break;
      const from = this.#program.length;
      const changed = this.#atom(flags);
      if (changed !== undefined) flags = changed;
      else this.#repeated(from);
    }
    return flags;
  }

  /** @returns flags where the atom was nothing but those. */
  #atom(flags: Flags): Flags | undefined {
    const character = this.#next();
    switch (character) {
      case "(":
        return this.#group(flags);
      case "[":
        this.#character(this.#set(), flags);
        return;
      case ".":
        this.#character(flags.s ? () => true : (c) => c !== NEWLINE, flags);
        return;
      case "^":
        this.#assert((before) => before < 0 || flags.m && before === NEWLINE);
        return;
      case "$":
        this.#assert((_, after) => after < 0 || flags.m && after === NEWLINE);
        return;
      case "\\":
        return this.#escape(flags);
      case "*":
      case "+":
      case "?":
        this.#at--;
        throw this.#fault("There is nothing to repeat");
      default: {
        const code = character.codePointAt(0);
        this.#character((c) => c === code, flags);
      }
    }
  }

  #assert(holds: Assertion): void {
    this.#put({ kind: "assert", holds });
  }

  #character(test: Test, { i }: Flags): void {
    this.#put({ kind: "character", test: i ? caseless(test) : test });
  }

  #group(flags: Flags): Flags | undefined {
    if (++this.#depth > DEEPEST) throw this.#fault("Groups lie too deep");
    let inner = flags;
    if (this.#takes("?")) {
      if (!/^P?<[A-Za-z]\w*>/.test(this.#text.slice(this.#at))) {
        const found = /^([ims]*)(?:-([ims]+))?([:)])/.exec(
          this.#text.slice(this.#at),
        );
        if (found === null) {
          throw this.#fault("Only (?:…), (?i) and (?P<name>…) are known");
        }
        const [all, on = "", off = "", end] = found;
        this.#at += all.length;
        const flag = (name: "i" | "m" | "s") =>
          (flags[name] || on.includes(name)) && !off.includes(name);
        inner = { i: flag("i"), m: flag("m"), s: flag("s") };
        if (end === ")") {
          this.#depth--;
          return inner;
        }
      } else this.#at = this.#text.indexOf(">", this.#at) + 1;
    }
    this.#either(inner);
    if (!this.#takes(")")) throw this.#fault("A ) is missing");
    this.#depth--;
  }

  #escape(flags: Flags): undefined {
    if (this.#takes("b")) this.#assert(isBoundary);
    else if (this.#takes("B")) this.#assert((b, a) => !isBoundary(b, a));
    else if (this.#takes("A")) this.#assert((before) => before < 0);
    else if (this.#takes("z")) this.#assert((_, after) => after < 0);
    else this.#character(this.#escaped(), flags);
  }

  /** What a backslash, already read, stands for, also in `[…]`. */
  #escaped(): Test {
    const code = this.#code();
    return typeof code === "number" ? (c) => c === code : code;
  }

  #code(): number | Test {
    const letter = this.#next();
    const simple = CLASSES[letter] ?? ESCAPES[letter];
    if (simple !== undefined) return simple;
    if (letter === "x") return this.#hexadecimal();
    if (letter === "p" || letter === "P") return this.#property(letter === "P");
    if (/[A-Za-z0-9]/.test(letter)) {
      this.#at--;
      throw this.#fault(`\\${letter} is not known`);
    }
    return letter.codePointAt(0) ?? 0;
  }

  #hexadecimal(): number {
    const found = /^(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/.exec(
      this.#text.slice(this.#at),
    );
    if (found === null) throw this.#fault("Hexadecimal digits are missing");
    this.#at += found[0].length;
    return parseInt(found[1] ?? found[2] ?? "", 16);
  }

  #property(isNot: boolean): Test {
    const found = /^(?:\{(\^?)(\w+)\}|([A-Z]))/.exec(
      this.#text.slice(this.#at),
    );
    const [all = "", negated = "", long, short] = found ?? [];
    const name = long ?? short;
    let one: RegExp;
    try {
      // A script's name or a general category's: JavaScript wants to know which.
      one = name !== undefined && name.length > 2
        ? new RegExp(`^\\p{Script=${name}}$`, "u")
        : new RegExp(`^\\p{${name}}$`, "u");
    } catch {
      throw this.#fault("This \\p{…} is not known");
    }
    this.#at += all.length;
    const test: Test = (c) => c >= 0 && one.test(String.fromCodePoint(c));
    return isNot !== (negated !== "") ? not(test) : test;
  }

  /** `[…]`, its bracket already read. */
  #set(): Test {
    const isNegated = this.#takes("^");
    const tests: Test[] = [];
    for (let isFirst = true;; isFirst = false) {
      if (this.#at >= this.#text.length) throw this.#fault("A ] is missing");
      if (!isFirst && this.#takes("]")) break;
      const posix = /^\[:(\^?)(\w+):\]/.exec(this.#text.slice(this.#at));
      const known = POSIX[posix?.[2] ?? ""];
      if (posix !== null && known !== undefined) {
        this.#at += posix[0].length;
        tests.push(posix[1] === "^" ? not(known) : known);
        continue;
      }
      const low = this.#inSet();
      if (typeof low !== "number") {
        tests.push(low);
        continue;
      }
      let high = low;
      if (
        this.#text[this.#at] === "-" && this.#text[this.#at + 1] !== "]" &&
        this.#at + 1 < this.#text.length
      ) {
        this.#at++;
        const end = this.#inSet();
        if (typeof end !== "number" || end < low) {
          throw this.#fault("A range goes backwards");
        }
        high = end;
      }
      tests.push((c) => c >= low && c <= high);
    }
    const test = among(tests);
    return isNegated ? not(test) : test;
  }

  #inSet(): number | Test {
    const character = this.#next();
    return character === "\\" ? this.#code() : character.codePointAt(0) ?? 0;
  }

  /** Applies what repeats the atom that was written from `from` on. */
  #repeated(from: number): void {
    const [least, most] = this.#times();
    if (least === 1 && most === 1) return;
    const atom = this.#program.splice(from);
    for (let n = 0; n < least; n++) {
      this.#add(atom, this.#program.length - from);
    }
    if (most === Infinity) {
      const loop = this.#program.length;
      this.#put({ kind: "split", next: loop + 1, other: 0 });
      this.#add(atom, loop + 1 - from);
      this.#put({ kind: "jump", next: loop });
      const split = this.#program[loop];
      if (split?.kind === "split") split.other = this.#program.length;
    } else {
      const splits: Extract<Step, { kind: "split" }>[] = [];
      for (let n = least; n < most; n++) {
        const at = this.#program.length;
        const split = { kind: "split" as const, next: at + 1, other: 0 };
        splits.push(split);
        this.#put(split);
        this.#add(atom, at + 1 - from);
      }
      for (const split of splits) split.other = this.#program.length;
    }
    if (/^(?:[*+?]|\{\d)/.test(this.#text.slice(this.#at))) {
      throw this.#fault("A repetition is repeated");
    }
  }

  #times(): [least: number, most: number] {
    const found = /^(?:([*+?])|\{(\d{1,4})(,(\d{0,4}))?\})/.exec(
      this.#text.slice(this.#at),
    );
    if (found === null) return [1, 1];
    const [all, sign, low, comma, high] = found;
    this.#at += all.length;
    // Fewest or most first makes no difference to whether it is there.
    this.#takes("?");
    if (sign !== undefined) {
      return [sign === "+" ? 1 : 0, sign === "?" ? 1 : Infinity];
    }
    const least = Number(low);
    const most = comma === undefined
      ? least
      : high === "" || high === undefined
      ? Infinity
      : Number(high);
    if (
      least > MOST_REPEATS || most < least ||
      most !== Infinity && most > MOST_REPEATS
    ) throw this.#fault("{…} is not right");
    return [least, most];
  }

  /** Writes steps again, moved by `by` places. */
  #add(steps: readonly Step[], by: number): void {
    for (const step of steps) {
      if (step.kind === "split") {
        const { kind, next, other } = step;
        this.#put({ kind, next: next + by, other: other + by });
      } else if (step.kind === "jump") {
        this.#put({ kind: "jump", next: step.next + by });
      } else this.#put(step);
    }
  }
}
