/**
 * Whose a lane is. On a store of this process's alone there is one lane, for ever. On a shared store a process takes
 * over lanes that nobody has used for an hour, and makes new ones only where there are none: every place and the trim
 * mark name every lane that ever was, so their number must stay bounded however often processes start.
 *
 * Invariants: a lane goes over by rewriting its head with a check of its version, totals and hash as they were, so the
 * chain goes on and nothing of the former owner can arrive any more. Age only decides what is worth taking: a former
 * owner that was merely asleep finds in the head's `past` what became of its last append, and claims another lane.
 */

import {
  claimId,
  type Head,
  NEW_HEAD,
  newestOf,
  ownerOf,
  putHead,
  readHead,
  readHeads,
} from "./heads.ts";
import type { Store } from "./store.ts";

/** The one lane of a store that is this process's alone. */
const LOCAL = "local";
/** A lane whose head is older may be taken over … */
const ADOPT_MS = 3_600_000;
/** … or than this once there are so many: some 450 fill a place's record. */
const CROWDED_MS = 60_000;
const CROWD = 64;
/** A head from further in the future is that of a clock that was wrong, and as old as any. */
const WRONG_CLOCK_MS = 86_400_000;
/** Former owners a head names. */
const PAST = 4;

/** A lane that is the owner's now. */
export interface Claimed {
  readonly name: string;
  readonly head: Head;
}

/**
 * Gives the owner a lane, the same one when it asks again because a reply was lost.
 * @throws what the store throws; ask again.
 */
export async function claimLane(
  store: Store,
  owner: string,
): Promise<Claimed> {
  const at = store.clock.now();
  if (store.isExclusive) return await openLocal(store, owner, at);
  const heads = await readHeads(store);
  for (const [name, head] of heads) {
    if (ownerOf(head.id) === owner) return { name, head };
  }
  for (const [name, head] of adoptable(heads, at)) {
    const { id, segment } = head;
    const adopted = await put(store, name, {
      ...head,
      id: claimId("adopt", owner),
      at,
      past: [{ id, segment }, ...head.past].slice(0, PAST),
    });
    if (adopted !== undefined) return { name, head: adopted };
  }
  const made = await put(store, owner, {
    ...NEW_HEAD,
    id: claimId("new", owner),
    hash: newestOf(heads.values()).hash,
    at,
  });
  if (made === undefined) throw new Error("The writer head is not there");
  return { name: owner, head: made };
}

async function openLocal(
  store: Store,
  owner: string,
  at: number,
): Promise<Claimed> {
  const stored = await readHead(store, LOCAL);
  if (stored.version !== null) return { name: LOCAL, head: stored };
  const id = claimId("new", owner);
  const head = await put(store, LOCAL, { ...NEW_HEAD, id, at });
  if (head === undefined) throw new Error("The writer head is not there");
  return { name: LOCAL, head };
}

/** The head as it is stored now; undefined: another was first. */
async function put(
  store: Store,
  lane: string,
  head: Head,
): Promise<Head | undefined> {
  const version = await putHead(store, lane, head);
  if (version !== undefined) return { ...head, version };
  // Over the network a commit whose reply was lost is refused too: the record tells.
  const now = await readHead(store, lane);
  return now.id === head.id ? now : undefined;
}

/**
 * Lanes that may be taken over, the longest unused first. A head without a time is of a build that does not look into
 * `past` and could append twice: it counts as old only once this build's own heads are, that is, an hour after the
 * first process of this build came, when a rolling update is over.
 */
function adoptable(
  heads: ReadonlyMap<string, Head>,
  now: number,
): (readonly [string, Head])[] {
  const limit = heads.size > CROWD ? CROWDED_MS : ADOPT_MS;
  const isOld = (at: number, ms: number) =>
    now - at > ms || at - now > WRONG_CLOCK_MS;
  const isUpdated = [...heads.values()].some(({ at }) =>
    at !== null && isOld(at, ADOPT_MS)
  );
  return [...heads]
    .filter(([, { at }]) => at === null ? isUpdated : isOld(at, limit))
    .sort(([, a], [, b]) => (a.at ?? 0) - (b.at ?? 0));
}
