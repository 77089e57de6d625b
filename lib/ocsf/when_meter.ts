/**
 * Counts what an expression does with an event, node by node: the CEL library bounds expressions, not what they take
 * over a list that a producer made long. It has no place for that, so what evaluates each node (8.0.0: `evaluate` of the
 * node, else `alternate`, `macro` or `evaluate` of its `meta`) is replaced by one that spends work first. What is not
 * found there is an error at the start, never an expression without bounds.
 */

import type { ASTNode } from "@marcbachmann/cel-js";
import type { Work } from "./work.ts";

/** Lists go through them; those that carry on where an element fails. */
const MACROS = new Set(["all", "exists", "exists_one", "filter", "map"]);
const CARRIES_ON = new Set(["all", "exists"]);
/** Whose left side is only reached into: what it holds costs nothing. */
const REACHES = new Set<string>([".", ".?", "[]", "[?]"]);

const NODE = 10, CALL = 40;
/** A value that is looked at, and each level above it: finding out the type of a list goes down all of them. */
const VALUE = 3, LEVEL = 1;
/** A name in a map: names are listed, here and by whoever goes through them. */
const ENTRY = 30;
/**
 * Nobody nests deeper. The library keeps for ever each type that it meets (a list of lists of maps …): 2^12 of them are
 * little.
 */
const MOST_LEVELS = 12;
/** The library makes an error: its stack, and the expression up to the place. */
const FAILURE = 800;
/** Time zones go through the runtime's texts. */
const TIME_ZONE = 6_000;

type Evaluate = (
  evaluator: unknown,
  node: unknown,
  context: unknown,
) => unknown;

/** What a value costs beyond being looked at. */
type Extra = (value: unknown) => void;

/** How deep the macros of a parsed tree nest. */
export function macroDepth(tree: ASTNode): number {
  let deepest = 0;
  const look = (value: unknown, depth: number): void => {
    if (Array.isArray(value)) { for (const each of value) look(each, depth); }
    if (!isNode(value)) return;
    const inside = isMacro(value) ? depth + 1 : depth;
    deepest = Math.max(deepest, inside);
    look(value.args, inside);
  };
  look(tree, 0);
  return deepest;
}

export function isNode(value: unknown): value is ASTNode {
  return typeof value === "object" && value !== null && "op" in value &&
    "args" in value;
}

function isMacro(node: ASTNode): boolean {
  return node.op === "rcall" && MACROS.has(node.args[0]);
}

/** Makes a tree that was checked spend `work`. @throws {TypeError} where the library is not the one that this knows. */
export function meter(tree: ASTNode, work: Work): void {
  const failure = FAILURE + tree.input.length;
  /** The error that was counted last: it comes through all nodes above. */
  let counted: unknown;
  const fail = (cause: unknown): void => {
    if (cause === counted) return;
    counted = cause;
    work.spend(failure);
  };

  const walk = (value: unknown, depth: number): void => {
    work.spend(depth > MOST_LEVELS ? Infinity : VALUE + LEVEL * depth);
    if (typeof value === "string") work.spend(value.length >> 1);
    else if (typeof value !== "object" || value === null) return;
    else if (Array.isArray(value)) {
      for (const each of value) walk(each, depth + 1);
    } else if (value instanceof Uint8Array) work.spend(2 * value.length);
    else if (value instanceof Map) {
      for (const [key, each] of value) {
        work.spend(ENTRY);
        walk(key, depth + 1);
        walk(each, depth + 1);
      }
    } else {
      for (const key of Object.keys(value)) {
        work.spend(ENTRY);
        walk(key, depth + 1);
        walk(Reflect.get(value, key), depth + 1);
      }
    }
  };
  const whole: Extra = (value) => walk(value, 0);

  const each = (value: unknown, extra: Extra): void => {
    if (Array.isArray(value)) { for (const one of value) each(one, extra); }
    else if (isNode(value)) one(value, extra);
  };
  const one = (node: ASTNode, extra: Extra): void => {
    wrap(node, extra);
    if (REACHES.has(node.op)) {
      const [left, right] = node.args as readonly unknown[];
      each(left, () => {});
      each(right, whole);
      return;
    }
    if (node.op !== "rcall" && node.op !== "call") {
      each(node.args, whole);
      return;
    }
    const [name, ...given] = node.args;
    if (isMacro(node)) {
      const [list, body] = given;
      // Its elements cost what the macro does with them; the names of a map are listed first.
      each(list, (value) => {
        if (!Array.isArray(value)) walk(value, 0);
      });
      each(body, (value) => {
        walk(value, 0);
        // An error of the library that no node sees.
        if (CARRIES_ON.has(name) && typeof value !== "boolean") {
          work.spend(failure);
        }
      });
    } else if (name === "duration") {
      // The library's pattern for them takes the cube of the length.
      each(given, (value) => {
        walk(value, 0);
        if (typeof value === "string") work.spend(value.length ** 3 / 30);
      });
    } else if (name === "lastIndexOf") {
      // The runtime compares at every place.
      const lengths = [0, 0];
      for (const [at, side] of given.entries()) {
        each(side, (value) => {
          walk(value, 0);
          if (typeof value !== "string") return;
          lengths[at] = value.length;
          work.spend((lengths[0] ?? 0) * (lengths[1] ?? 0) / 25);
        });
      }
    } else each(given, whole);
  };

  const wrap = (node: ASTNode, extra: Extra): void => {
    const cost = costOf(node);
    const { evaluate, isLoop } = innerOf(node, work);
    const metered: Evaluate = (evaluator, self, context) => {
      work.spend(cost);
      let value: unknown;
      try {
        value = evaluate(evaluator, self, context);
      } catch (cause) {
        fail(cause);
        throw cause;
      }
      // A loop ends early without an error.
      if (isLoop) work.spend(0);
      extra(value);
      return value;
    };
    Reflect.set(node, "evaluate", metered);
  };
  one(tree, whole);
}

function costOf(node: ASTNode): number {
  if (node.op !== "call" && node.op !== "rcall") return NODE;
  const isZoned = node.op === "rcall" && /^get[A-Z]/.test(node.args[0]) &&
    node.args[2].length > 0;
  return isZoned ? TIME_ZONE : CALL;
}

/** What evaluates a node by itself. */
function innerOf(
  node: ASTNode,
  work: Work,
): { readonly evaluate: Evaluate; readonly isLoop: boolean } {
  const meta: unknown = Reflect.get(node, "meta");
  const alternate = member(meta, "alternate");
  const other = alternate ?? member(meta, "macro");
  if (other === undefined) {
    return { evaluate: functionOf(meta, "evaluate"), isLoop: false };
  }
  const evaluate = functionOf(other, "evaluate").bind(other);
  // The library asks it before each element; an error there is but the element's.
  const args = alternate === undefined ? undefined : member(alternate, "args");
  const isLoop = member(args, "iterable") !== undefined;
  if (
    isLoop && typeof args === "object" && args !== null && "condition" in args
  ) {
    const goesOn = args.condition;
    if (typeof goesOn === "function") {
      args.condition = (sofar: unknown) => !work.isOver && goesOn(sofar);
    }
  }
  return {
    evaluate: (evaluator, _node, context) =>
      evaluate(evaluator, other, context),
    isLoop,
  };
}

function member(of: unknown, name: string): unknown {
  return typeof of === "object" && of !== null
    ? Reflect.get(of, name)
    : undefined;
}

function functionOf(of: unknown, name: string): Evaluate {
  const found = member(of, name);
  if (typeof found !== "function") {
    throw new TypeError(`The CEL library has no ${name} where it was.`);
  }
  return found as Evaluate;
}
