/**
 * An event's members as a profile sees them: by path in JSON, by column in a line of text. One object serves all events;
 * asking makes no object.
 */

import type { EventView } from "../event.ts";
import { PathTable } from "../json/paths.ts";

const QUOTE = 0x22, MINUS = 0x2d, LOWER_N = 0x6e;
const LEFT_BRACE = 0x7b, LEFT_BRACKET = 0x5b;

/** The paths and columns of all profiles. */
const paths = new PathTable();

/**
 * The id of a member. A name with a dot in it is written with `\.`: `id\.orig_h`. Profiles ask once, when the process
 * starts.
 */
export function memberId(path: string): number {
  return paths.id(
    path.split(/(?<!\\)\./).map((name) => name.replaceAll("\\.", ".")),
  );
}

export class Source {
  /** The event that is mapped: for what its envelope says. */
  view!: EventView;
  bytes: Uint8Array = new Uint8Array(0);
  /** The members are pieces of text, not JSON values. */
  isText = false;
  /** What `find` found: the value without its quotes, escapes as they are. */
  from = 0;
  to = 0;
  /** What `find` found was a JSON string. */
  isString = false;
  #words = new Uint32Array(0);

  /** Moves to the valid JSON value at `start`…`end`. */
  json(bytes: Uint8Array, start: number, end: number): void {
    this.#clear(bytes);
    this.isText = false;
    paths.find(bytes, start, end, this.#words, 0);
  }

  /** Moves to a line of text. Its columns are told by `column`. */
  text(bytes: Uint8Array): void {
    this.#clear(bytes);
    this.isText = true;
    this.#words.fill(0);
  }

  /** The text at `start`…`end` is the member `id`. */
  column(id: number, start: number, end: number): void {
    this.#words[2 * id] = start;
    this.#words[2 * id + 1] = end;
  }

  /** Whether the event has the member and it is not null: any value. */
  has(id: number): boolean {
    const start = this.#words[2 * id] as number;
    return (this.#words[2 * id + 1] as number) > start &&
      (this.isText || this.bytes[start] !== LOWER_N);
  }

  /**
   * Looks for the first of these members that says something: a number, a word or a string, but not null, `""` or `"-"`
   * (what Windows, Zeek and Apache write for nothing). Then `from`, `to` and `isString` are about it.
   */
  find(ids: Int32Array): boolean {
    const words = this.#words, bytes = this.bytes;
    for (let i = 0; i < ids.length; i++) {
      const word = 2 * (ids[i] as number);
      let start = words[word] as number, end = words[word + 1] as number;
      if (end <= start) continue;
      this.isString = false;
      if (!this.isText) {
        const first = bytes[start];
        if (first === QUOTE) {
          start++;
          end--;
          this.isString = true;
        } else if (
          first === LOWER_N || first === LEFT_BRACE || first === LEFT_BRACKET
        ) continue;
      }
      if (end <= start || end === start + 1 && bytes[start] === MINUS) continue;
      this.from = start;
      this.to = end;
      return true;
    }
    return false;
  }

  /** What `find` found as a string: for tables, not for text that leaves. Escapes as they are; beyond ASCII it is none. */
  latin(): string {
    let text = "";
    for (let i = this.from; i < this.to; i++) {
      text += String.fromCharCode(this.bytes[i] as number);
    }
    return text;
  }

  /** Whether what `find` found is this ASCII text. */
  says(text: string): boolean {
    if (this.to - this.from !== text.length) return false;
    for (let i = 0; i < text.length; i++) {
      if (this.bytes[this.from + i] !== text.charCodeAt(i)) return false;
    }
    return true;
  }

  #clear(bytes: Uint8Array): void {
    this.bytes = bytes;
    if (this.#words.length < 2 * paths.count) {
      this.#words = new Uint32Array(2 * paths.count);
    }
  }
}
