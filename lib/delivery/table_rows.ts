/**
 * Rows of a table as flat JSON objects: columns from an event's OCSF fields, which operators may lay others over, and
 * the event itself as one column's text. What is longer than a column takes is made shorter, and the row says so.
 */

import type { EventView } from "../event.ts";
import { EVENT } from "../json/spans.ts";
import { trimEvent, trimText } from "../ocsf/trim.ts";
import { json, type Paths, type Slot, Template } from "../template.ts";
import type { BatchBuffer } from "./batch_buffer.ts";

type Parts = readonly (string | Slot)[];

/** How a column's value is written. */
export type Column =
  /** From these paths, or from another that the operator names. */
  | {
    readonly slot: (paths: Paths) => Slot;
    readonly paths: readonly string[];
    /**
     * The JSON that stands for a value that is too long. Absent: of a string its beginning, null for all else.
     */
    readonly instead?: string;
  }
  /** The relay's own: it can be removed only. */
  | { readonly fixed: Parts };

/** A column from the first of these paths that the event has. */
export function column(
  slot: (paths: Paths) => Slot,
  ...paths: readonly string[]
): Column {
  return { slot, paths };
}

/** A column with JSON that stands for a value that is too long: for text that means nothing once it is cut. */
export function neverCut(column: Column, instead: string): Column {
  return "slot" in column ? { ...column, instead } : column;
}

/** A column of the relay's own. */
export function fixed(...parts: Parts): Column {
  return { fixed: parts };
}

/** Whether the operator may not name a path for this column. */
export function isFixed(
  columns: Readonly<Record<string, Column>>,
  name: string,
): boolean {
  const own = Object.hasOwn(columns, name) ? columns[name] : undefined;
  return own !== undefined && "fixed" in own;
}

/**
 * The columns with what the operator says laid over them: a path in place of theirs (written as the column always is),
 * a new column at the end (the field's JSON, null where there is none), null for one to leave out.
 */
export function laidOverColumns(
  columns: Readonly<Record<string, Column>>,
  over: Readonly<Record<string, string | null>>,
): ReadonlyMap<string, Column> {
  const all = new Map(Object.entries(columns));
  for (const [name, path] of Object.entries(over)) {
    const own = all.get(name);
    if (path === null) all.delete(name);
    else if (own === undefined) all.set(name, column(json, path));
    else if ("slot" in own) all.set(name, { ...own, paths: [path] });
  }
  return all;
}

/** What rows are made of. */
export interface RowForm {
  readonly columns: ReadonlyMap<string, Column>;
  /** The column that holds the event as text. */
  readonly event: string;
  /** The most bytes of a column's text. */
  readonly most: number;
  /** A column that is true where something was made shorter, and absent elsewhere. */
  readonly mark?: string;
}

const QUOTE = 0x22;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** One column of rows that are written column by column. */
interface Cell {
  /** What stands before the value. */
  readonly opening: Uint8Array;
  readonly value: Template;
  readonly isEvent: boolean;
  readonly instead: string | undefined;
}

/** Writes rows; only an event that may be too long for a column pays for being looked at. */
export class TableRows {
  /** The columns' names, in order. */
  readonly names: readonly string[];
  readonly #most: number;
  readonly #whole: Template;
  readonly #cells: readonly Cell[];
  readonly #marked: Uint8Array;

  constructor({ columns, event, most, mark }: RowForm) {
    this.names = [...columns.keys()];
    this.#most = most;
    const members = [...columns].map(([name, column], i) => ({
      name,
      column,
      opening: `${i === 0 ? "{" : ","}${JSON.stringify(name)}:`,
      parts: "fixed" in column ? column.fixed : [column.slot(column.paths)],
    }));
    this.#whole = new Template([
      ...members.flatMap(({ opening, parts }) => [opening, ...parts]),
      members.length === 0 ? "{}" : "}",
    ]);
    this.#cells = members.map(({ name, column, opening, parts }) => ({
      opening: encoder.encode(opening),
      value: new Template([...parts]),
      isEvent: name === event,
      instead: "slot" in column ? column.instead : undefined,
    }));
    this.#marked = encoder.encode(
      mark === undefined ? "}" : `,${JSON.stringify(mark)}:true}`,
    );
  }

  /** Writes one row. `view` is the event of the event's column, the others are read from `ocsf`. */
  fill(view: EventView, into: BatchBuffer, ocsf: EventView): void {
    const size = view.end(EVENT) - view.start(EVENT);
    // A byte that is no UTF-8 becomes three. No field is longer than its event.
    const isSurelyShort = (view.isRaw ? 3 * size : size) <= this.#most &&
      (ocsf === view || ocsf.end(EVENT) - ocsf.start(EVENT) <= this.#most);
    if (isSurelyShort || this.#cells.length === 0) {
      this.#whole.fill(view, into, ocsf);
    } else this.#fillShort(view, into, ocsf);
  }

  /** Column by column, each no longer than it may be. */
  #fillShort(view: EventView, into: BatchBuffer, ocsf: EventView): void {
    const text = textOf(view);
    const isWhole = text.length <= this.#most ||
      this.#cells.every(({ isEvent }) => !isEvent);
    const trim = view.isRaw ? trimText : trimEvent;
    const event = isWhole ? text : trim(text, 0, text.length, this.#most);
    if (event === undefined) {
      into.unfit(
        "too_large",
        `The event takes ${text.length} bytes and cannot be trimmed to the ${this.#most} that its column takes.`,
      );
      return;
    }
    let isShorter = !isWhole;
    for (const { opening, value, isEvent, instead } of this.#cells) {
      into.literal(opening);
      if (isEvent && !isWhole) {
        into.literal(encoder.encode(JSON.stringify(decoder.decode(event))));
        continue;
      }
      const start = into.length;
      value.fill(view, into, ocsf);
      if (!isEvent && this.#shorten(into, start, instead)) isShorter = true;
    }
    into.literal(isShorter ? this.#marked : CLOSE);
  }

  /** Makes the value that was written from `start` on shorter. @returns whether it had to be. */
  #shorten(
    into: BatchBuffer,
    start: number,
    instead: string | undefined,
  ): boolean {
    const most = this.#most;
    // An escape is longer than what it stands for.
    if (into.length - start <= most) return false;
    const json = decoder.decode(into.bytes.subarray(start, into.length));
    let shorter = instead ?? "null";
    if (into.bytes[start] === QUOTE) {
      const text = encoder.encode(JSON.parse(json));
      if (text.length <= most) return false;
      if (instead === undefined) {
        const end = characterStart(text, most);
        shorter = JSON.stringify(decoder.decode(text.subarray(0, end)));
      }
    }
    into.length = start;
    into.literal(encoder.encode(shorter));
    return true;
  }
}

const CLOSE = encoder.encode("}");

/** Where the character at `at` begins. */
function characterStart(text: Uint8Array, at: number): number {
  let start = at;
  while (start > 0 && ((text[start] as number) & 0xc0) === 0x80) start--;
  return start;
}

/** The event's text; U+FFFD for what is no UTF-8. */
function textOf(view: EventView): Uint8Array {
  const bytes = view.bytes.subarray(view.start(EVENT), view.end(EVENT));
  return view.isRaw ? encoder.encode(decoder.decode(bytes)) : bytes;
}
