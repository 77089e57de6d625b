/** What a profile asks an event: is it mine, which of these ids does it say. */

import { isIp } from "./shapes.ts";
import { memberId, type Source } from "./source.ts";

/** Longest text that tables and patterns look at. */
export const SHORT = 320;

/** An id that the event says, or `NO_CHOICE`. */
export type Choice = (source: Source) => number;

/** The event says nothing about it. */
export const NO_CHOICE = -1;

/** Whether an event is a profile's. */
export type Condition = (source: Source) => boolean;

/** The ids of members. */
export function idsOf(paths: readonly string[]): Int32Array {
  return Int32Array.from(paths, memberId);
}

/** Always this id. */
export function always(id: number): Choice {
  return () => id;
}

/** Ids by what the first of these members says. */
export function choose(
  paths: string | readonly string[],
  table: Readonly<Record<string, number>>,
  otherwise = NO_CHOICE,
): Choice {
  const ids = idsOf(typeof paths === "string" ? [paths] : paths);
  const map = new Map(Object.entries(table));
  return (source) => {
    if (!source.find(ids) || source.to - source.from > SHORT) return otherwise;
    return map.get(source.latin()) ?? otherwise;
  };
}

/** As `choose`, whatever the case of the letters; the table is written in lower case. */
export function chooseWord(
  paths: string | readonly string[],
  table: Readonly<Record<string, number>>,
  otherwise = NO_CHOICE,
): Choice {
  const ids = idsOf(typeof paths === "string" ? [paths] : paths);
  const map = new Map(Object.entries(table));
  return (source) => {
    if (!source.find(ids) || source.to - source.from > SHORT) return otherwise;
    return map.get(source.latin().toLowerCase()) ?? otherwise;
  };
}

/** Ids by how the member begins; the first that fits. */
export function chooseByStart(
  path: string,
  table: Readonly<Record<string, number>>,
  otherwise = NO_CHOICE,
): Choice {
  const ids = idsOf([path]), rows = Object.entries(table);
  return (source) => {
    if (!source.find(ids) || source.to - source.from > SHORT) return otherwise;
    const found = source.latin();
    return rows.find(([start]) => found.startsWith(start))?.[1] ?? otherwise;
  };
}

/** Ids by the word behind the last dot, up to its first `_`; the first that fits. */
export function chooseByVerb(
  path: string,
  table: Readonly<Record<string, number>>,
  otherwise = NO_CHOICE,
): Choice {
  const ids = idsOf([path]), map = new Map(Object.entries(table));
  return (source) => {
    if (!source.find(ids) || source.to - source.from > SHORT) return otherwise;
    const found = source.latin();
    const verb = found.slice(found.lastIndexOf(".") + 1);
    return map.get(verb) ?? map.get(verb.split("_", 1)[0] ?? "") ?? otherwise;
  };
}

/** One id where the member says something, another where it does not. */
export function ifSaid(path: string, said: number, unsaid: number): Choice {
  const ids = idsOf([path]);
  return (source) => source.find(ids) ? said : unsaid;
}

/** The first choice that has an id. */
export function firstOf(...choices: readonly Choice[]): Choice {
  return (source) => {
    for (const choice of choices) {
      const id = choice(source);
      if (id !== NO_CHOICE) return id;
    }
    return NO_CHOICE;
  };
}

/** The event has these members, whatever they hold. */
export function has(...paths: readonly string[]): Condition {
  const ids = idsOf(paths);
  return (source) => {
    // Asked of every event by most profiles: no callback.
    for (let i = 0; i < ids.length; i++) {
      if (!source.has(ids[i] as number)) return false;
    }
    return true;
  };
}

/** One of these members is an address. */
export function isAddress(...paths: readonly string[]): Condition {
  const each = paths.map((path) => idsOf([path]));
  return (source) =>
    each.some((ids) =>
      source.find(ids) && isIp(source.bytes, source.from, source.to)
    );
}

/** These members say something: no objects, no empty strings. */
export function says(...paths: readonly string[]): Condition {
  const each = paths.map((path) => idsOf([path]));
  return (source) => each.every((ids) => source.find(ids));
}

/** One of these members says one of these words. */
export function is(
  paths: string | readonly string[],
  ...words: readonly string[]
): Condition {
  const ids = idsOf(typeof paths === "string" ? [paths] : paths);
  return (source) =>
    source.find(ids) && words.some((each) => source.says(each));
}

/** The member begins so. */
export function begins(
  path: string,
  ...starts: readonly string[]
): Condition {
  const ids = idsOf([path]);
  return (source) => {
    if (!source.find(ids) || source.to - source.from > SHORT) return false;
    const found = source.latin();
    return starts.some((start) => found.startsWith(start));
  };
}

/** One of these members is a whole number. */
export function isNumber(...paths: readonly string[]): Condition {
  const each = paths.map((path) => idsOf([path]));
  return (source) =>
    each.some((ids) =>
      source.find(ids) && source.to - source.from <= SHORT &&
      /^-?\d+$/.test(source.latin())
    );
}

/** One of the conditions holds. */
export function oneOf(...conditions: readonly Condition[]): Condition {
  return (source) => conditions.some((condition) => condition(source));
}
