/**
 * What becomes of each event of a batch, kept as stretches of equal fates: a batch that is sent and taken whole is one
 * stretch from beginning to end, however many its events. Changes make a new list; nothing here is changed in place
 * but by `push`.
 */

import type { ScopeKey } from "../config/scope.ts";
import type { Answer, Reason } from "../connector.ts";
import type { PlaceRange } from "../event.ts";

/** Why an event was refused. */
export interface Refusal {
  readonly reason: Reason;
  readonly message: string;
  /** The SIEM refused it; otherwise it has no wire form and was never sent. */
  readonly sent: boolean;
  /** Given up after so many attempts of the batch, whatever the cause. */
  readonly givenUp?: number;
}

/** To be sent, with the others of its group where they fit in one attempt. */
export interface Pending {
  readonly kind: "pending";
  /** Attempts that carried it. */
  readonly tries: number;
  readonly group: number;
}

/** What became of an event. */
export type Fate =
  | Pending
  | {
    readonly kind: "delivered";
    readonly tries: number;
    /** What the SIEM said. */
    readonly answer: Answer;
  }
  | {
    readonly kind: "refused";
    readonly tries: number;
    readonly refusal: Refusal;
  }
  | { readonly kind: "expired" }
  | { readonly kind: "filtered"; readonly by: ScopeKey };

/** Events in a row with one fate. */
export interface Stretch extends PlaceRange {
  readonly fate: Fate;
}

/** The next so many events of a group, and what their fates become. */
export interface Change {
  readonly count: number;
  readonly to: (fate: Pending) => Fate;
}

export class Fates {
  readonly #stretches: (Stretch & { count: number })[] = [];
  #count = 0;

  /** In order and without a gap; neighbours differ. */
  get stretches(): readonly Stretch[] {
    return this.#stretches;
  }

  /** The group of the first event that is pending. */
  get firstGroup(): number | undefined {
    for (const { fate } of this.#stretches) {
      if (fate.kind === "pending") return fate.group;
    }
    return undefined;
  }

  /** Adds so many events. */
  push(count: number, fate: Fate): void {
    if (count === 0) return;
    const last = this.#stretches.at(-1);
    if (last !== undefined && isSame(last.fate, fate)) last.count += count;
    else this.#stretches.push({ at: this.#count, count, fate });
    this.#count += count;
  }

  /** The events that are pending in a group. */
  placesOf(group: number): PlaceRange[] {
    return this.#stretches.filter(({ fate }) => isOf(fate, group));
  }

  /** Changes all events alike that have the same fate. */
  map(change: (fate: Fate) => Fate): Fates {
    const next = new Fates();
    for (const { count, fate } of this.#stretches) {
      next.push(count, change(fate));
    }
    return next;
  }

  /** Changes the events of a group, in their order; those behind the last change stay as they are. */
  recast(group: number, changes: readonly Change[]): Fates {
    const next = new Fates();
    let n = 0, left = changes[0]?.count ?? 0;
    for (const { count, fate } of this.#stretches) {
      let rest = count;
      while (rest > 0 && isOf(fate, group)) {
        const change = changes[n];
        if (change === undefined) break;
        const some = Math.min(rest, left);
        next.push(some, change.to(fate));
        rest -= some;
        left -= some;
        if (left === 0) left = changes[++n]?.count ?? 0;
      }
      next.push(rest, fate);
    }
    return next;
  }

  /** The fates at `from` up to `until`, exclusive. */
  slice(from: number, until: number = this.#count): Fates {
    const part = new Fates();
    for (const { at, count, fate } of this.#stretches) {
      const first = Math.max(at, from), end = Math.min(at + count, until);
      if (first < end) part.push(end - first, fate);
    }
    return part;
  }
}

function isOf(fate: Fate, group: number): fate is Pending {
  return fate.kind === "pending" && fate.group === group;
}

function isSame(one: Fate, other: Fate): boolean {
  if (one === other) return true;
  switch (one.kind) {
    case "pending":
      return other.kind === "pending" && one.tries === other.tries &&
        one.group === other.group;
    case "delivered":
      return other.kind === "delivered" && one.tries === other.tries &&
        one.answer === other.answer;
    case "refused":
      return other.kind === "refused" && one.tries === other.tries &&
        one.refusal === other.refusal;
    case "expired":
      return other.kind === "expired";
    case "filtered":
      return other.kind === "filtered" && one.by === other.by;
    default:
      return one satisfies never;
  }
}
