/**
 * Keeping producers and connectors in step while the machine itself is the narrow place.
 *
 * Where connectors deliver as fast as this process can, but producers bring more, what waits would leave memory and
 * be read back from the store, which costs twice the time and slows both. So an append waits a moment when a
 * connector in motion is about to fall out of memory. Invariants: the moment is short (`HOLD_MS`, longer only while all
 * connectors together deliver as fast as only a busy process does, `MOST_HOLD_MS` at most) and comes once per fall: a
 * connector that did not catch up in it (its SIEM is the slow one) is let go and holds nobody until it is near the end
 * again; one that stands still (its SIEM hangs, refuses, is held) never holds anybody.
 */

import type { Clock } from "../clock.ts";
import type { Position } from "../event.ts";
import type { Place } from "./cursor.ts";
import type { Tail } from "./tail.ts";

/** How long producers wait for a connector, at most, unless … */
const HOLD_MS = 100;
/** … all connectors together settled this much in that time: then this process is what is slow, and goes on waiting … */
const BUSY_BYTES = 2 * 1024 * 1024;
/** … up to this. */
const MOST_HOLD_MS = 1_000;
/** A connector that settled nothing for this long stands still. */
const MOTION_MS = 50;
/** Bytes behind the end: from here on producers wait … */
const HIGH_BYTES = 8 * 1024 * 1024;
/** … until it is down to this. */
const LOW_BYTES = 4 * 1024 * 1024;

interface Reader {
  place: Place;
  /** How far it has read, where it settles later than that. */
  ahead: Position | undefined;
  movedAt: number;
  /** Producers have waited for it and it did not catch up. */
  isLetGo: boolean;
}

export class Pace {
  readonly #clock: Clock;
  readonly #tail: Tail;
  readonly #readers = new Map<string, Reader>();
  #hold: { readonly done: Promise<void>; readonly end: () => void } | undefined;
  /** Bytes that all connectors have passed. */
  #passed = 0;

  constructor(clock: Clock, tail: Tail) {
    this.#clock = clock;
    this.#tail = tail;
  }

  /** The places taken and moved here since the start: not older than the store's. */
  places(): Map<string, Place> {
    return new Map(
      [...this.#readers].map(([connector, { place }]) => [connector, place]),
    );
  }

  /** A connector has taken its place: memory keeps what it needs, and nobody waits for it before it moves. */
  taken(connector: string, place: Place): void {
    this.#readers.set(connector, {
      place,
      ahead: undefined,
      movedAt: -Infinity,
      isLetGo: false,
    });
  }

  /** A connector has settled. Memory forgets what all have passed. */
  moved(connector: string, place: Place): void {
    let reader = this.#readers.get(connector);
    if (reader === undefined) {
      reader = { place, ahead: undefined, movedAt: 0, isLetGo: false };
      this.#readers.set(connector, reader);
    }
    const before = this.#behind(reader);
    reader.place = place;
    this.#stepped(reader, before);
  }

  /** A connector has read so far and settles later; undefined: it reads from its place again. */
  ahead(connector: string, at: Position | undefined): void {
    const reader = this.#readers.get(connector);
    if (reader === undefined) return;
    const before = this.#behind(reader);
    reader.ahead = at;
    if (at !== undefined) this.#stepped(reader, before);
  }

  #stepped(reader: Reader, before: number): void {
    reader.movedAt = this.#clock.monotonic();
    const behind = this.#behind(reader);
    this.#passed += Math.max(0, before - behind);
    if (reader.isLetGo && behind < LOW_BYTES) reader.isLetGo = false;
    if (this.#hold !== undefined && !this.#isLate(LOW_BYTES)) this.#hold.end();
    let oldest: string | undefined;
    for (const other of this.#readers.values()) {
      const at = readTo(other);
      if (oldest !== undefined && at.segment >= oldest) continue;
      if (this.#tail.covers(at)) oldest = at.segment;
    }
    if (oldest !== undefined) this.#tail.passed(oldest);
  }

  /** What an append passes first: at once, unless a connector in motion is about to fall out of memory. */
  pass(): Promise<void> | undefined {
    if (this.#hold !== undefined) return this.#hold.done;
    if (this.#tail.bytes < HIGH_BYTES) return undefined;
    if (!this.#isLate(HIGH_BYTES)) return undefined;
    const over = new AbortController();
    const done = this.#wait(over.signal).then(() => {
      this.#hold = undefined;
      // Also who stands still just now: else one that settles seldom would be waited for at each settle.
      for (const reader of this.#readers.values()) {
        if (this.#behind(reader) >= LOW_BYTES) reader.isLetGo = true;
      }
    });
    this.#hold = { done, end: () => over.abort("in step") };
    return done;
  }

  /** Until it is ended, the time is over, or the connectors are not what this process is busy with. */
  async #wait(over: AbortSignal): Promise<void> {
    for (let waited = 0; waited < MOST_HOLD_MS; waited += HOLD_MS) {
      const passed = this.#passed;
      try {
        await this.#clock.sleep(HOLD_MS, over);
      } catch {
        return;
      }
      if (this.#passed - passed < BUSY_BYTES) return;
    }
  }

  /** Lets all that wait pass. */
  close(): void {
    this.#hold?.end();
  }

  /** Is a connector in motion at least so far behind, and still within memory? */
  #isLate(bytes: number): boolean {
    const since = this.#clock.monotonic() - MOTION_MS;
    for (const reader of this.#readers.values()) {
      const isInMotion = !reader.isLetGo && reader.movedAt > since;
      if (
        isInMotion && this.#behind(reader) >= bytes &&
        this.#tail.covers(readTo(reader))
      ) return true;
    }
    return false;
  }

  #behind(reader: Reader): number {
    return this.#tail.bytesFrom(readTo(reader).segment);
  }
}

function readTo({ place, ahead }: Reader): Position {
  return ahead !== undefined && ahead.segment > place.segment ? ahead : place;
}
