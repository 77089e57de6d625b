/**
 * Leases: who may move a connector's place.
 *
 * Invariants: `["lease", …]` is rewritten at each renewal, `["epoch", …]` only at a take-over; settling checks the
 * epoch, so a late holder cannot write, and the place is read after the epoch moved, so nothing can come after it.
 * Expiry is judged by seeing the lease unchanged for its span on one's own monotonic clock: no clocks are compared.
 * A holder stops half a span after its last confirmed renewal. Where the store is this process's alone, its lock
 * proves that the old holder is gone: the lease is taken at once and needs no renewal. Who gets how many: `share.ts`.
 */

import { beginPlace } from "./begin.ts";
import type { Holding } from "./cursor.ts";
import { dropUncounted } from "./dead_letters.ts";
import { HeldLease, LEASE_MS, leaseValue } from "./holding.ts";
import { epochKey, leaseKey } from "./keys.ts";
import { passTrimmed } from "./left.ts";
import { Journal } from "./journal.ts";
import { fromValue, messageOf, numberIn, textIn, toValue } from "./kv.ts";
import type { EventLog } from "./log.ts";
import { readTrimMark } from "./trim.ts";

const POLL_MS = 1_000;
/** A process that has its share leaves a connector that was handed over to the others for so long. */
const YIELD_MS = 3_000;

export { LEASE_MS } from "./holding.ts";

export interface LeaseOptions {
  readonly signal: AbortSignal;
  /** Where a connector that has no place yet begins. Default: newest. */
  readonly from?: "newest" | "oldest";
}

/**
 * Waits until the connector's lease is ours; goes on trying while the store does not answer.
 * @throws the signal's reason when it aborts first, or when the log closes.
 */
export async function takeLease(
  log: EventLog,
  connector: string,
  options: LeaseOptions,
): Promise<Holding> {
  const signal = AbortSignal.any([options.signal, log.closed]);
  const had = log.share.want();
  try {
    return await wait(log, connector, { ...options, signal });
  } finally {
    had();
  }
}

async function wait(
  log: EventLog,
  connector: string,
  options: LeaseOptions,
): Promise<Holding> {
  const { store } = log;
  const { clock, random, logger } = log.options;
  const { signal } = options;
  let seen: { readonly version: string | null; readonly since: number } | null =
    null;
  for (;;) {
    signal.throwIfAborted();
    try {
      const [lease, epoch] = await store.call((kv) =>
        kv.getMany<[unknown, unknown]>([
          leaseKey(connector),
          epochKey(connector),
        ])
      );
      const now = clock.monotonic();
      if (seen === null || seen.version !== lease.versionstamp) {
        seen = { version: lease.versionstamp, since: now };
      }
      const record = fromValue(lease.value) ?? {};
      const silence = now - seen.since;
      // By the holder's own span: settings may differ for as long as they are being changed.
      const span = Math.max(
        log.options.lease ?? LEASE_MS,
        numberIn(record, "span"),
      );
      const isYielding = record["others"] === true && log.share.isFilled &&
        silence < YIELD_MS;
      const isFree = store.isExclusive || lease.versionstamp === null ||
        record["released"] === true || silence >= span;
      if (isFree && !isYielding) {
        const held = await takeOver(log, connector, lease, epoch, options);
        if (held !== undefined) return held;
        continue;
      }
    } catch (error) {
      signal.throwIfAborted();
      logger.log("warn", "store.slow", "A lease could not be taken", {
        connector,
        error: messageOf(error),
      });
      await store.refresh().catch(() => undefined);
    }
    await clock.sleep(POLL_MS * (0.75 + random() / 2), signal);
  }
}

/** Takes a free lease. Undefined: another was first, look again. @throws what the store throws. */
async function takeOver(
  log: EventLog,
  connector: string,
  lease: Deno.KvEntryMaybe<unknown>,
  epoch: Deno.KvEntryMaybe<unknown>,
  options: LeaseOptions,
): Promise<Holding | undefined> {
  const { store } = log;
  const { clock, uuid, instance, logger } = log.options;
  const nonce = uuid();
  const key = leaseKey(connector), epochAt = epochKey(connector);
  const number = numberIn(fromValue(epoch.value) ?? {}, "number") + 1;
  const takenAt = clock.monotonic();
  const result = await store.call((kv) =>
    kv.atomic()
      .check({ key, versionstamp: lease.versionstamp })
      .check({ key: epochAt, versionstamp: epoch.versionstamp })
      .set(
        key,
        leaseValue({
          holder: instance,
          nonce,
          span: log.options.lease ?? LEASE_MS,
          isReleased: false,
          beat: 0,
        }),
      )
      .set(epochAt, toValue({ holder: instance, nonce, number }))
      .commit()
  );
  let version: string;
  if (result.ok) version = result.versionstamp;
  else {
    // Over the network a commit whose reply was lost answers so too: the nonce tells.
    const now = await store.call((kv) => kv.get(epochAt));
    if (
      textIn(fromValue(now.value) ?? {}, "nonce") !== nonce ||
      now.versionstamp === null
    ) return undefined;
    version = now.versionstamp;
  }
  const cursor = await beginPlace(store, {
    name: connector,
    from: options.from ?? "newest",
  });
  // Said and tried again with a pause, as when the store does not answer.
  if (cursor === undefined) throw new Error("The place's record is damaged");
  // Before anything is sent: what the former holder wrote and did not count may be taken this time.
  await dropUncounted(store, connector, cursor.place, {
    key: epochAt,
    versionstamp: version,
  });
  const journal = await Journal.open(
    store,
    connector,
    cursor.place,
    clock.now(),
  );
  const before = textIn(fromValue(lease.value) ?? {}, "holder");
  logger.log("info", "lease.taken", "The lease is ours", {
    connector,
    instance,
    epoch: number,
    ...before !== "" && { before },
  });
  const mark = await readTrimMark(store);
  const held = new HeldLease(log, connector, {
    nonce,
    epoch: version,
    place: cursor.place,
    cursor: cursor.version,
    journal,
    takenAt,
  });
  // It was not configured for a while, and held nothing.
  await passTrimmed(held, mark, clock.now());
  return held;
}
