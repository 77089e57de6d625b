/**
 * Paths into JSON values (`actor.user.uid`, `resources.0.name`), interned, and one walk over a value's bytes that finds
 * all of them. Every prefix of a path is a path too, so a path's id is its place in a trie.
 *
 * All connectors share one table (`pathId`, `findPaths`): what they look for in OCSF events. The mapping to OCSF has its
 * own: its paths are those of the sources.
 */

import { afterClose, afterSpace, afterValue } from "./skip.ts";
import { stringValue } from "./strings.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b, CLOSE_ARRAY = 0x5d;

/** Of a path that names no place in an array. */
const NO_PLACE = -1;

const encoder = new TextEncoder();

/** A node of the trie. Only interning and rare paths look at it; the walk reads the flat tables below. */
interface Node {
  readonly children: Map<string, number>;
}

/** Where the child of `parent` that is called `bytes[start … end)` is looked for first, before masking. */
function slotOf(
  bytes: Uint8Array,
  start: number,
  end: number,
  parent: number,
): number {
  const length = end - start;
  if (length === 0) return parent * 0x9e5 + 1;
  return (parent * 0x9e5 ^ length * 0x1f) +
    (bytes[start] as number) * 0x83 + (bytes[end - 1] as number) * 0x11 +
    (bytes[start + (length >> 1)] as number);
}

/** A set of paths that are looked for together. Grows by `id` alone. */
export class PathTable {
  readonly #nodes: Node[] = [{ children: new Map() }];

  /** The nodes' names, back to back; `nameStart[id] … nameEnd[id]`. */
  #names = new Uint8Array(1024);
  #namesLength = 0;
  /** Columns of the trie, one entry per node. */
  #parents = new Int32Array(64);
  #nameStart = new Int32Array(64);
  #nameEnd = new Int32Array(64);
  /** The place in an array that the node names, or `NO_PLACE`. */
  #places = new Int32Array(64).fill(NO_PLACE);
  /** The highest place in an array among the node's children, or `NO_PLACE`. */
  #lastPlaces = new Int32Array(64).fill(NO_PLACE);
  #firstChild = new Int32Array(64);
  #nextSibling = new Int32Array(64);
  /** Longest name of a child, in bytes; -1 for a leaf. */
  #longestChild = new Int32Array(64).fill(-1);
  /** Open addressing by `slotOf`: ids of nodes, 0 for none. A power of two, at most half full. */
  #slots = new Int32Array(256);

  /** How many paths are known: ids are 0 … count − 1. Grows by `id` alone. */
  get count(): number {
    return this.#nodes.length;
  }

  /**
   * The id of a dotted path (or of its names, where one has a dot), for the life of the table. A name of digits alone is
   * also a place in an array. The empty path is the value itself, 0. Not for the hot path.
   */
  id(path: string | readonly string[]): number {
    let id = 0;
    if (path === "") return id;
    for (const name of typeof path === "string" ? path.split(".") : path) {
      id = this.#nodes[id]?.children.get(name) ?? this.#addNode(id, name);
    }
    return id;
  }

  #addNode(parent: number, name: string): number {
    const id = this.#nodes.length;
    const bytes = encoder.encode(name);
    this.#nodes.push({ children: new Map() });
    this.#nodes[parent]?.children.set(name, id);
    if (id >= this.#parents.length) this.#growColumns();
    if (this.#namesLength + bytes.length > this.#names.length) {
      const grown = new Uint8Array(2 * (this.#namesLength + bytes.length));
      grown.set(this.#names);
      this.#names = grown;
    }
    this.#names.set(bytes, this.#namesLength);
    this.#parents[id] = parent;
    this.#nameStart[id] = this.#namesLength;
    this.#namesLength += bytes.length;
    this.#nameEnd[id] = this.#namesLength;
    this.#nextSibling[id] = this.#firstChild[parent] as number;
    this.#firstChild[parent] = id;
    this.#longestChild[parent] = Math.max(
      this.#longestChild[parent] as number,
      bytes.length,
    );
    if (/^(0|[1-9]\d{0,8})$/.test(name)) {
      const place = Number(name);
      this.#places[id] = place;
      this.#lastPlaces[parent] = Math.max(
        this.#lastPlaces[parent] as number,
        place,
      );
    }
    if (2 * this.#nodes.length > this.#slots.length) {
      this.#slots = new Int32Array(2 * this.#slots.length);
      for (let each = 1; each < this.#nodes.length; each++) this.#addSlot(each);
    } else {
      this.#addSlot(id);
    }
    return id;
  }

  #growColumns(): void {
    const grown = (column: Int32Array<ArrayBuffer>, empty = 0) => {
      const wider = new Int32Array(2 * column.length).fill(empty);
      wider.set(column);
      return wider;
    };
    this.#parents = grown(this.#parents);
    this.#nameStart = grown(this.#nameStart);
    this.#nameEnd = grown(this.#nameEnd);
    this.#places = grown(this.#places, NO_PLACE);
    this.#lastPlaces = grown(this.#lastPlaces, NO_PLACE);
    this.#firstChild = grown(this.#firstChild);
    this.#nextSibling = grown(this.#nextSibling);
    this.#longestChild = grown(this.#longestChild, -1);
  }

  #addSlot(id: number): void {
    const mask = this.#slots.length - 1;
    let slot = slotOf(
      this.#names,
      this.#nameStart[id] as number,
      this.#nameEnd[id] as number,
      this.#parents[id] as number,
    ) & mask;
    while (this.#slots[slot] !== 0) slot = slot + 1 & mask;
    this.#slots[slot] = id;
  }

  /** The child of `parent` called `bytes[start … end)`; 0 where no path goes there. */
  #childNamed(
    bytes: Uint8Array,
    start: number,
    end: number,
    parent: number,
  ): number {
    const length = end - start;
    if (length > (this.#longestChild[parent] as number)) return 0;
    const mask = this.#slots.length - 1;
    let slot = slotOf(bytes, start, end, parent) & mask;
    probe: for (;; slot = slot + 1 & mask) {
      const id = this.#slots[slot] as number;
      if (id === 0) return 0;
      const from = this.#nameStart[id] as number;
      if (
        this.#parents[id] !== parent ||
        this.#nameEnd[id] as number - from !== length
      ) {
        continue;
      }
      for (let i = 0; i < length; i++) {
        if (bytes[start + i] !== this.#names[from + i]) continue probe;
      }
      return id;
    }
  }

  /** As `childNamed`, for a name with escapes: it counts as what it says, not as it is spelt. */
  #childEscaped(
    bytes: Uint8Array,
    start: number,
    end: number,
    parent: number,
  ): number {
    // A character is at most six times as long when it is spelt as \u00xx.
    if (end - start > 6 * (this.#longestChild[parent] as number)) return 0;
    return this.#nodes[parent]?.children.get(
      stringValue(bytes, start - 1, end + 1),
    ) ?? 0;
  }

  /** The child of `parent` for a place in an array; 0 where no path goes there. */
  #childAt(place: number, parent: number): number {
    let id = this.#firstChild[parent] as number;
    while (id !== 0 && this.#places[id] !== place) {
      id = this.#nextSibling[id] as number;
    }
    return id;
  }

  /**
   * Finds every known path in the valid JSON value `bytes[start … end)`, in one walk that steps over what no path
   * enters. Writes two words per path to `into` from `at` on: start and end (exclusive; quotes included) of the value,
   * in bytes; 0, 0 where there is none. Of equal members the last one counts. Makes no object save for names that are
   * spelt with escapes. `into` must have room for `2 * count` words.
   */
  find(
    bytes: Uint8Array,
    start: number,
    end: number,
    into: Uint32Array,
    at: number,
  ): void {
    into.fill(0, at, at + 2 * this.#nodes.length);
    into[at] = start;
    into[at + 1] = end;
    const first = bytes[start];
    if (first === OPEN_OBJECT) this.#walkObject(bytes, start, end, 0, into, at);
    else if (first === OPEN_ARRAY) {
      this.#walkArray(bytes, start, end, 0, into, at);
    }
  }

  /** Walks the object at `open` as far as the paths below `node` go. @returns the place behind it. */
  #walkObject(
    bytes: Uint8Array,
    open: number,
    end: number,
    node: number,
    into: Uint32Array,
    at: number,
  ): number {
    let i = open + 1;
    for (;;) {
      if (bytes[i] as number <= 0x20) i = afterSpace(bytes, i);
      // `{}`, or what cannot be in a valid value.
      if (bytes[i] !== QUOTE) return i + 1;
      const name = ++i;
      let escaped = false;
      for (; i < end; i++) {
        const byte = bytes[i];
        if (byte === QUOTE) break;
        if (byte === BACKSLASH) {
          escaped = true;
          i++;
        }
      }
      const child = escaped
        ? this.#childEscaped(bytes, name, i, node)
        : this.#childNamed(bytes, name, i, node);
      i++;
      // The colon.
      if (bytes[i] as number <= 0x20) i = afterSpace(bytes, i);
      i++;
      if (bytes[i] as number <= 0x20) i = afterSpace(bytes, i);
      i = child === 0
        ? afterValue(bytes, i, end)
        : this.#walkChild(bytes, i, end, child, into, at);
      if (bytes[i] as number <= 0x20) i = afterSpace(bytes, i);
      if (bytes[i] !== COMMA) return i + 1;
      i++;
    }
  }

  /** As `walkObject`, for the array at `open`. */
  #walkArray(
    bytes: Uint8Array,
    open: number,
    end: number,
    node: number,
    into: Uint32Array,
    at: number,
  ): number {
    const last = this.#lastPlaces[node] as number;
    let i = afterSpace(bytes, open + 1);
    if (bytes[i] === CLOSE_ARRAY) return i + 1;
    for (let place = 0; place <= last; place++) {
      const child = this.#childAt(place, node);
      i = child === 0
        ? afterValue(bytes, i, end)
        : this.#walkChild(bytes, i, end, child, into, at);
      if (bytes[i] as number <= 0x20) i = afterSpace(bytes, i);
      if (bytes[i] !== COMMA) return i + 1;
      i = afterSpace(bytes, i + 1);
    }
    return afterClose(bytes, i, end);
  }

  /** Notes the span of `child`'s value, which begins at `start`, and those below it. @returns the place behind it. */
  #walkChild(
    bytes: Uint8Array,
    start: number,
    end: number,
    child: number,
    into: Uint32Array,
    at: number,
  ): number {
    const word = at + 2 * child;
    // An equal member stood before: what it had below is gone.
    if (into[word + 1] !== 0) this.#clearBelow(child, into, at);
    const first = bytes[start];
    let after: number;
    if ((this.#firstChild[child] as number) === 0) {
      after = afterValue(bytes, start, end);
    } else if (first === OPEN_OBJECT) {
      after = this.#walkObject(bytes, start, end, child, into, at);
    } else if (first === OPEN_ARRAY) {
      after = this.#walkArray(bytes, start, end, child, into, at);
    } else {
      after = afterValue(bytes, start, end);
    }
    into[word] = start;
    into[word + 1] = after;
    return after;
  }

  #clearBelow(node: number, into: Uint32Array, at: number): void {
    for (
      let id = this.#firstChild[node] as number;
      id !== 0;
      id = this.#nextSibling[id] as number
    ) {
      if (into[at + 2 * id + 1] === 0) continue;
      into[at + 2 * id] = into[at + 2 * id + 1] = 0;
      this.#clearBelow(id, into, at);
    }
  }
}

const shared = new PathTable();

/** How many paths all connectors know: ids are 0 … count − 1. Grows by `pathId` alone. */
export function pathCount(): number {
  return shared.count;
}

/** `PathTable.id` in the table that all connectors share, for the life of the process. */
export function pathId(path: string): number {
  return shared.id(path);
}

/** `PathTable.find` with the table that all connectors share. */
export function findPaths(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: Uint32Array,
  at: number,
): void {
  shared.find(bytes, start, end, into, at);
}
