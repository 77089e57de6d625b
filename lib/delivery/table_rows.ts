/**
 * Rows of a table as flat JSON objects: columns from an event's OCSF fields, which operators may lay others over, and
 * the event itself as one column's text, made shorter where the column takes no more.
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
    else if ("slot" in own) all.set(name, column(own.slot, path));
  }
  return all;
}

/** What rows are made of. */
export interface RowForm {
  readonly columns: ReadonlyMap<string, Column>;
  /** The column that holds the event as text. */
  readonly event: string;
  /** The most bytes of that text. */
  readonly most: number;
  /** A column that is true where the text was made shorter, and absent elsewhere. */
  readonly mark?: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Writes rows; only an event that is too long for its column pays for being looked at. */
export class TableRows {
  /** The columns' names, in order. */
  readonly names: readonly string[];
  readonly #most: number;
  readonly #whole: Template;
  /** A row's parts around the event; absent where no column holds it. */
  readonly #around: readonly [Template, Template] | undefined;

  constructor({ columns, event, most, mark }: RowForm) {
    this.names = [...columns.keys()];
    this.#most = most;
    const members = [...columns].map(([name, value], i): Parts => [
      `${i === 0 ? "" : ","}${JSON.stringify(name)}:`,
      ..."fixed" in value ? value.fixed : [value.slot(value.paths)],
    ]);
    this.#whole = new Template(["{", ...members.flat(), "}"]);
    const at = this.names.indexOf(event);
    const [name] = members[at] ?? [];
    if (name === undefined) return;
    this.#around = [
      new Template(["{", ...members.slice(0, at).flat(), name]),
      new Template([
        ...members.slice(at + 1).flat(),
        mark === undefined ? "}" : `,${JSON.stringify(mark)}:true}`,
      ]),
    ];
  }

  /** Writes one row. `view` is the event of the event's column, the others are read from `ocsf`. */
  fill(view: EventView, into: BatchBuffer, ocsf: EventView): void {
    const size = view.end(EVENT) - view.start(EVENT);
    // A byte that is no UTF-8 becomes three.
    const isSurelyShort = (view.isRaw ? 3 * size : size) <= this.#most;
    const text = isSurelyShort || this.#around === undefined
      ? undefined
      : textOf(view);
    if (
      text === undefined || this.#around === undefined ||
      text.length <= this.#most
    ) {
      return this.#whole.fill(view, into, ocsf);
    }
    const trim = view.isRaw ? trimText : trimEvent;
    const shorter = trim(text, 0, text.length, this.#most);
    if (shorter === undefined) {
      into.unfit(
        "too_large",
        `The event takes ${text.length} bytes and cannot be trimmed to the ${this.#most} that its column takes.`,
      );
      return;
    }
    const [before, after] = this.#around;
    before.fill(view, into, ocsf);
    into.literal(encoder.encode(JSON.stringify(decoder.decode(shorter))));
    after.fill(view, into, ocsf);
  }
}

/** The event's text; U+FFFD for what is no UTF-8. */
function textOf(view: EventView): Uint8Array {
  const bytes = view.bytes.subarray(view.start(EVENT), view.end(EVENT));
  return view.isRaw ? encoder.encode(decoder.decode(bytes)) : bytes;
}
