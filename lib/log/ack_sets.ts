/**
 * Ack records as they lie in the store: one for all ids of a commit that are of one channel and one group, so that a
 * commit for many small requests has one more row and not as many.
 */

import type { AckClaim } from "./ack_ids.ts";
import { fromValue, numberIn, toValue } from "./kv.ts";

/** Ids in a row that may share a record. */
const GROUP = 256;

/** A record that goes with a segment. */
export interface AckSet {
  readonly token: string;
  readonly channel: string;
  readonly group: number;
  readonly value: Uint8Array;
}

/** An id's events in the record's segment: `count` of them from `first` on. */
export interface AckedEvents {
  readonly id: number;
  readonly first: number;
  readonly count: number;
}

/** What a record says. `at`: when the oldest of the events came (Unix milliseconds). */
export interface AckRecord {
  readonly at: number;
  readonly acks: readonly AckedEvents[];
}

/** Which group an id is in. */
export function groupOf(id: number): number {
  return Math.floor(id / GROUP);
}

/** The last id of a group. */
export function lastOf(group: number): number {
  return (group + 1) * GROUP - 1;
}

export function recordValue({ at, acks }: AckRecord): Uint8Array {
  return toValue({
    at,
    acks: acks.map(({ id, first, count }) => [id, first, count]),
  });
}

/** The record in a value; what cannot be read is left out. */
export function recordOf(value: unknown): AckRecord {
  const record = fromValue(value) ?? {};
  const acks: AckedEvents[] = [];
  const stored = record["acks"];
  for (const one of Array.isArray(stored) ? stored as readonly unknown[] : []) {
    if (!Array.isArray(one)) continue;
    const [id, first, count] = one as readonly unknown[];
    if (
      typeof id === "number" && typeof first === "number" &&
      typeof count === "number"
    ) acks.push({ id, first, count });
  }
  return { at: numberIn(record, "at"), acks };
}

/** The records of a commit in the making. */
export class AckSets {
  readonly #sets = new Map<
    string,
    {
      readonly claim: AckClaim;
      readonly group: number;
      at: number;
      acks: AckedEvents[];
    }
  >();

  /** Fixes the claim's id. */
  add(
    claim: AckClaim,
    { first, count, at }: {
      readonly first: number;
      readonly count: number;
      /** When the request came: Unix milliseconds. */
      readonly at: number;
    },
  ): void {
    const id = claim.take();
    const group = groupOf(id);
    const key = `${group} ${claim.channel} ${claim.token}`;
    const set = this.#sets.get(key);
    if (set === undefined) {
      this.#sets.set(key, { claim, group, at, acks: [{ id, first, count }] });
      return;
    }
    set.at = Math.min(set.at, at);
    set.acks.push({ id, first, count });
  }

  finish(): readonly AckSet[] {
    return Array.from(
      this.#sets.values(),
      ({ claim: { token, channel }, group, at, acks }) => ({
        token,
        channel,
        group,
        value: recordValue({ at, acks }),
      }),
    );
  }
}
