/**
 * Deletes ack records that nobody asks for any more. Never by `expireIn` (it ends the process on a full disk).
 *
 * - What was told: ten minutes after.
 * - An id that was never asked for (Docker and Fluent Bit send a channel and never poll): once it is an hour old and
 *   its events had left the log at the sweep before this one, so that who waited as long as a SIEM was down has time to
 *   ask; or a week old, where processes come and go; and before that where a channel has a million newer ones, so that
 *   a producer is never refused for ids that it does not want.
 * - A channel: 30 days after its last use, which the store knows to a day.
 *
 * Each process does it; deleting twice is harmless.
 */

import { MAX_CHANNELS, TOUCH_MS } from "./ack_ids.ts";
import { type AckChannel, recordsBetween } from "./ack_records.ts";
import { lastOf } from "./ack_sets.ts";
import { isRepeated, readTold } from "./ack_told.ts";
import { ackIdsAfter } from "./keys.ts";
import { fromValue, isDiskFull, messageOf, numberIn } from "./kv.ts";
import type { EventLog } from "./log.ts";
import { readTrimMark } from "./trim.ts";

const EVERY_MS = 600_000;
/** After the start, out of its way. */
const FIRST_MS = 60_000;
const CHANNEL_MS = 30 * 86_400_000;
const UNASKED_MS = 3_600_000, LONG_UNASKED_MS = 7 * 86_400_000;
/** Ids that a channel may have pending, as Splunk bounds them. */
const MAX_PENDING = 1_000_000;
/** Channels of one read, and deletes of one commit. */
const PAGE = 200, COMMIT_DELETES = 500;
const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER - 1 };

/** A channel's record. */
interface ChannelRecord extends AckChannel {
  readonly entry: Deno.KvEntry<unknown>;
  /** Behind the last id reserved. */
  readonly end: number;
  readonly usedAt: number;
}

export class AckSweep {
  readonly #log: EventLog;
  readonly #onCounted: (channels: number) => void;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  /** The newest segment that had left the log at the last sweep. */
  #trimmedBefore = "";

  /** `onCounted`: so many channels are left. */
  constructor(log: EventLog, onCounted: (channels: number) => void) {
    this.#log = log;
    this.#onCounted = onCounted;
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  async close(): Promise<void> {
    this.#stop.abort("closed");
    await this.#running;
  }

  /** One sweep. @throws what the store throws; what is done is done. */
  async run(): Promise<void> {
    const { store } = this.#log;
    const { segment: trimmed } = await readTrimMark(store);
    let channels = 0;
    let after: Deno.KvKey | undefined;
    for (;;) {
      const records = await this.#page(after);
      for (const record of records) {
        if (this.#stop.signal.aborted) return;
        if (!await this.#sweepChannel(record, trimmed)) channels++;
      }
      after = records.at(-1)?.entry.key;
      if (records.length < PAGE) break;
    }
    this.#trimmedBefore = trimmed;
    this.#onCounted(Math.min(channels, MAX_CHANNELS));
  }

  async #loop(): Promise<void> {
    const { clock, logger, random } = this.#log.options;
    const { signal } = this.#stop;
    for (let pause = FIRST_MS;; pause = EVERY_MS) {
      await clock.sleep(pause * (0.75 + random() / 2), signal)
        .catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.run();
      } catch (error) {
        if (signal.aborted) return;
        if (isDiskFull(error)) continue;
        logger.log("warn", "store.slow", "Old acks could not be deleted", {
          error: messageOf(error),
        });
        await this.#log.store.refresh().catch(() => undefined);
      }
    }
  }

  async #page(after: Deno.KvKey | undefined): Promise<ChannelRecord[]> {
    return await this.#log.store.call(async (kv) => {
      const records: ChannelRecord[] = [];
      for await (
        const entry of kv.list(ackIdsAfter(after), {
          limit: PAGE,
          batchSize: PAGE,
        })
      ) {
        const record = fromValue(entry.value) ?? {};
        records.push({
          entry,
          token: String(entry.key[1]),
          channel: String(entry.key[2]),
          end: numberIn(record, "end"),
          usedAt: numberIn(record, "at"),
        });
      }
      return records;
    });
  }

  /** True: the channel is gone. */
  async #sweepChannel(
    record: ChannelRecord,
    trimmed: string,
  ): Promise<boolean> {
    const { store } = this.#log;
    const now = store.clock.now();
    const isUnused = now - record.usedAt > CHANNEL_MS + TOUCH_MS;
    const told = await readTold(store, record);
    await this.#delete(
      told.filter((one) => isUnused || !isRepeated(one, now))
        .map(({ entry }) => entry.key),
    );
    const doomed: Deno.KvKey[] = [];
    const records = recordsBetween(store, record, ALL);
    for await (const { entry: { key }, group, segment, at } of records) {
      const age = now - at;
      const isUnasked = segment <= this.#trimmedBefore && age > UNASKED_MS ||
        segment <= trimmed && age > LONG_UNASKED_MS;
      const isKept = lastOf(group) >= record.end - MAX_PENDING;
      if (!isUnused && !isUnasked && isKept) break;
      doomed.push(key);
      if (doomed.length === COMMIT_DELETES) {
        await this.#delete(doomed.splice(0));
        if (this.#stop.signal.aborted) return false;
      }
    }
    await this.#delete(doomed);
    if (!isUnused) return false;
    const { ok } = await store.call((kv) =>
      kv.atomic().check(record.entry).delete(record.entry.key).commit()
    );
    return ok;
  }

  async #delete(keys: readonly Deno.KvKey[]): Promise<void> {
    for (let at = 0; at < keys.length; at += COMMIT_DELETES) {
      await this.#log.store.call((kv) => {
        const operation = kv.atomic();
        for (const key of keys.slice(at, at + COMMIT_DELETES)) {
          operation.delete(key);
        }
        return operation.commit();
      });
    }
  }
}
