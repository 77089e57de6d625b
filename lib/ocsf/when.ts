/**
 * `scope.when`: a CEL expression over `event`, an event's OCSF form. With when_meter.ts the only file that knows the CEL
 * library; whoever needs it imports it on demand.
 *
 * An expression reads what it names and no more: `event.actor.user.name` is found in the bytes by the lookup that all
 * connectors share, and only its value is parsed. Whole numbers are CEL's `int`, digit by digit (a JavaScript number
 * loses those beyond 2^53), others are `double`. What would take long is refused: deep macros at the start, and an
 * event over which reading, nodes and patterns together take more than `MOST_WORK`.
 */

import { type ASTNode, Environment } from "@marcbachmann/cel-js";
import type { EventView } from "../event.ts";
import { type FieldSpans, fieldSpans } from "../json/field_spans.ts";
import { pathId } from "../json/paths.ts";
import { EVENT } from "../json/spans.ts";
import { stringValue } from "../json/strings.ts";
import { LinearPattern } from "./linear_pattern.ts";
import { PatternFault } from "./pattern_program.ts";
import { isNode, macroDepth, meter } from "./when_meter.ts";
import { Work, WorkFault } from "./work.ts";

/** Whether an event in its OCSF form is meant. @throws {WhenFault} when the expression fails for this event. */
export type When = (ocsf: EventView) => boolean;

/** The expression cannot be judged for an event. The message quotes neither. */
export class WhenFault extends Error {
  override readonly name = "WhenFault";
}

/** How deep macros may nest. */
const DEEPEST = 2;

/** Reading, in units of work: each name, a byte that `JSON.parse` reads, and each value that it hands over. */
const NAME = 10, BYTE = 3, VALUE = 80;

/** An integer longer than this is read as a double: nobody counts with it, and BigInt takes its time. */
const INTEGER_DIGITS = 40;

/** What `matches` is called in the tree: CEL's own could take for ever. */
const LINEAR_MATCHES = "matches_in_linear_time";

const OPEN_OBJECT = 0x7b, OPEN_ARRAY = 0x5b, QUOTE = 0x22;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What an expression reads: a trie of the names it follows from `event`. */
interface Named {
  /** Of `pathId`. */
  readonly id: number;
  readonly children: Map<string, Named>;
  /** All of the value is wanted. Else those below it, or, where there are none, only whether it is there. */
  isWhole: boolean;
}

/** What is wrong with an expression, as a sentence; undefined: nothing. */
export function checkWhen(expression: string): string | undefined {
  try {
    compileWhen(expression);
    return undefined;
  } catch (cause) {
    if (cause instanceof WhenFault) return cause.message;
    throw cause;
  }
}

/**
 * `work` is begun anew for each event, and tells what that took.
 * @throws {WhenFault} for what is no expression, or one that answers neither true nor false.
 */
export function compileWhen(expression: string, work: Work = new Work()): When {
  const patterns = new Map<string, LinearPattern>();
  const environment = new Environment({
    unlistedVariablesAreDyn: false,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
  })
    .registerVariable("event", "map")
    .registerFunction(
      `string.${LINEAR_MATCHES}(string): bool`,
      (text: string, pattern: string) =>
        patterns.get(pattern)?.isIn(text, work) ?? false,
    );
  let parsed;
  try {
    parsed = environment.parse(expression);
  } catch (cause) {
    throw faultOf(cause);
  }
  const root: Named = { id: 0, children: new Map(), isWhole: false };
  survey(parsed.ast, root, patterns);
  if (macroDepth(parsed.ast) > DEEPEST) {
    throw new WhenFault(
      "Macros (exists, all, filter, map …) may be nested once, not deeper: they would take too long.",
    );
  }
  const { valid, type, error } = parsed.check();
  if (!valid) throw faultOf(error);
  if (type !== "bool" && type !== "dyn") {
    throw new WhenFault(`It must be true or false, not ${type}.`);
  }
  meter(parsed.ast, work);
  return (ocsf) => {
    let answer: unknown;
    work.begin();
    try {
      const spans = fieldSpans(ocsf);
      answer = parsed({ event: new Reading(ocsf, spans, work).of(root) });
    } catch (cause) {
      throw failureOf(cause);
    }
    if (typeof answer === "boolean") return answer;
    throw new WhenFault("The answer was neither true nor false.");
  };
}

/** Reads what is named out of one event. */
class Reading {
  readonly #bytes: Uint8Array;
  readonly #view: EventView;
  readonly #spans: FieldSpans;
  readonly #work: Work;

  constructor(view: EventView, spans: FieldSpans, work: Work) {
    this.#view = view;
    this.#bytes = view.bytes;
    this.#spans = spans;
    this.#work = work;
  }

  /** The value with what is named below it; undefined where the event has none. */
  of({ id, children, isWhole }: Named): unknown {
    this.#work.spend(NAME);
    // The event itself is no field: its span is known without looking.
    const start = id === 0 ? this.#view.start(EVENT) : this.#spans.start(id);
    const end = id === 0 ? this.#view.end(EVENT) : this.#spans.end(id);
    if (start === end) return undefined;
    if (isWhole) return this.#value(start, end);
    if (children.size === 0) return true;
    const first = this.#bytes[start];
    // An array has no names: any will do.
    if (first === OPEN_ARRAY) return [];
    if (first !== OPEN_OBJECT) return this.#value(start, end);
    const fields = new Map<string, unknown>();
    for (const [name, child] of children) {
      const value = this.of(child);
      if (value !== undefined) fields.set(name, value);
    }
    return fields;
  }

  #value(start: number, end: number): unknown {
    const bytes = this.#bytes;
    const first = bytes[start] as number;
    this.#work.spend((end - start) * (first === QUOTE ? 0.5 : BYTE));
    if (first === QUOTE) return stringValue(bytes, start, end);
    const text = decoder.decode(bytes.subarray(start, end));
    // A digit or a minus: the parser need not be asked twice.
    return first <= 0x39
      ? numberOf(Number(text), text)
      : valueOf(text, this.#work);
  }
}

/** `JSON.parse` with whole numbers as they stand. */
function valueOf(text: string, work: Work): unknown {
  return JSON.parse(
    text,
    // TypeScript's own types do not know the third argument (ECMAScript 2026) yet.
    (_name: string, value: unknown, context?: { readonly source?: string }) => {
      work.spend(VALUE);
      return typeof value === "number"
        ? numberOf(value, context?.source)
        : value;
    },
  );
}

function numberOf(value: number, source = ""): number | bigint {
  return source.length <= INTEGER_DIGITS && /^-?\d+$/.test(source)
    ? BigInt(source)
    : value;
}

/** Notes what the tree reads of `event`, and makes `matches` safe. */
function survey(
  tree: ASTNode,
  root: Named,
  patterns: Map<string, LinearPattern>,
): void {
  const look = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const each of value) look(each);
      return;
    }
    if (!isNode(value)) return;
    const names = namesOf(value);
    if (names !== undefined) {
      note(root, names).isWhole = true;
      return;
    }
    if (value.op === "call" && value.args[0] === "has") {
      const [asked] = value.args[1];
      const names = asked && namesOf(asked);
      if (names !== undefined) {
        note(root, names);
        return;
      }
    }
    if (value.op === "rcall" && value.args[0] === "matches") {
      learn(value.args[2][0], patterns);
      value.args[0] = LINEAR_MATCHES;
    }
    look(value.args);
  };
  look(tree);
}

/** The names from `event` on, where the node is nothing else: `event.a.b` is a, b. */
function namesOf(node: ASTNode): string[] | undefined {
  if (node.op === "id") return node.args === "event" ? [] : undefined;
  if (node.op !== ".") return undefined;
  const before = namesOf(node.args[0]);
  before?.push(node.args[1]);
  return before;
}

function note(root: Named, names: readonly string[]): Named {
  let at = root;
  for (const [place, name] of names.entries()) {
    let child = at.children.get(name);
    if (child === undefined) {
      const id = pathId(names.slice(0, place + 1).join("."));
      child = { id, children: new Map(), isWhole: false };
      at.children.set(name, child);
    }
    at = child;
  }
  return at;
}

/** The pattern of a `matches`, which must stand there as text: one out of the event could be anything. */
function learn(
  node: ASTNode | undefined,
  patterns: Map<string, LinearPattern>,
): void {
  if (node?.op !== "value" || typeof node.args !== "string") {
    throw new WhenFault('matches() takes its pattern as text: "^abc".');
  }
  try {
    patterns.set(node.args, new LinearPattern(node.args));
  } catch (cause) {
    if (!(cause instanceof PatternFault)) throw cause;
    throw new WhenFault(`matches(): ${cause.message}`);
  }
}

/** What is wrong with an expression: the library's words, which name its parts, and the place in it. */
function faultOf(cause: unknown): WhenFault {
  if (cause instanceof WhenFault) return cause;
  const words = of(cause, "summary") ?? String(cause);
  return new WhenFault(`${words}${placeOf(cause)}.`);
}

/** Why it failed for an event: the library's words may quote the event, its codes do not. */
function failureOf(cause: unknown): WhenFault {
  if (cause instanceof WhenFault) return cause;
  const words = cause instanceof WorkFault
    ? cause.message.replace(/\.$/, "")
    : (of(cause, "code") ?? "it failed").replaceAll("_", " ");
  return new WhenFault(`${words}${placeOf(cause)}.`);
}

function of(cause: unknown, name: "summary" | "code"): string | undefined {
  if (typeof cause !== "object" || cause === null) return undefined;
  const value: unknown = Reflect.get(cause, name);
  return typeof value === "string" ? value : undefined;
}

function placeOf(cause: unknown): string {
  if (typeof cause !== "object" || cause === null || !("range" in cause)) {
    return "";
  }
  const { range } = cause;
  return typeof range === "object" && range !== null && "start" in range &&
      typeof range.start === "number"
    ? ` (character ${range.start + 1} of the expression)`
    : "";
}
