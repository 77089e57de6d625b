import {
  deepEqual,
  doesNotMatch,
  equal,
  match,
  rejects,
} from "node:assert/strict";
import { silentLogger } from "../../../lib/logger.ts";
import type { Kv } from "../../../lib/log/kv.ts";
import { openStore, StoreError } from "../../../lib/log/store.ts";
import { drive } from "../../support/drive.ts";
import { inFolder } from "../../support/place_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";

/** Longer than any call may take. */
const LATE_MS = 6_000;

/** Handles that open when a test says so; `closed` numbers those that were closed. */
class LateKv {
  readonly opening: PromiseWithResolvers<Kv>[] = [];
  readonly closed: number[] = [];

  readonly openKv = (): Promise<Kv> => {
    const opening = Promise.withResolvers<Kv>();
    this.opening.push(opening);
    return opening.promise;
  };

  /** The handle with this number comes. */
  async come(number: number): Promise<void> {
    const kv = await Deno.openKv(":memory:");
    const close = kv.close.bind(kv);
    kv.close = () => {
      this.closed.push(number);
      close();
    };
    this.opening[number]?.resolve(kv);
    await this.opening[number]?.promise;
  }
}

for (const location of [undefined, "http://kv.example"]) {
  Deno.test(`openStore() closes a handle that comes too late (${location})`, async () => {
    const clock = new ManualClock();
    const late = new LateKv();
    const options = { clock, logger: silentLogger, openKv: late.openKv };
    const opened = openStore(location, options);
    await clock.untilSleeping();
    clock.advance(LATE_MS);
    await rejects(opened, StoreError);
    await late.come(0);
    deepEqual(late.closed, [0]);
  });
}

Deno.test("openStore() of a file closes a handle that comes too late", () =>
  inFolder(async (location) => {
    const clock = new ManualClock();
    const late = new LateKv();
    const options = { clock, logger: silentLogger, openKv: late.openKv };
    const opened = openStore(location, options);
    const refused = rejects(opened, StoreError);
    await drive(clock, refused, LATE_MS, 50);
    await late.come(0);
    deepEqual(late.closed, [0]);
  }));

Deno.test("Store.refresh() closes a handle that comes too late, and a later one serves", async () => {
  const clock = new ManualClock();
  const late = new LateKv();
  const opened = openStore("http://kv.example", {
    clock,
    logger: silentLogger,
    openKv: late.openKv,
  });
  await late.come(0);
  const store = await opened;
  const first = store.refresh();
  await clock.untilSleeping();
  clock.advance(LATE_MS);
  await rejects(first, /No answer/);
  const second = store.refresh();
  await late.come(2);
  await second;
  deepEqual(late.closed, [0]);
  await late.come(1);
  deepEqual(late.closed, [0, 1]);
  equal((await store.call((kv) => kv.get(["a"]))).value, null);
  store.close();
  deepEqual(late.closed, [0, 1, 2]);
});

Deno.test("openStore() of a KV Connect URL without an access token says whose token it wants", async () => {
  const opened = openStore("http://127.0.0.1:1/", {
    clock: new ManualClock(),
    logger: silentLogger,
    // As Deno 2.9.6 says it.
    openKv: () =>
      Promise.reject(
        new TypeError(
          "Missing DENO_KV_ACCESS_TOKEN environment variable. Please set it to your access token from https://console.deno.com",
        ),
      ),
  });
  const said = String(await opened.catch((cause) => cause));
  match(said, /127\.0\.0\.1:1 .*DENO_KV_ACCESS_TOKEN must hold .*denokv.*12/);
  doesNotMatch(said, /deno\.com/);
});

Deno.test("openStore() names the host of a KV Connect URL and repeats no credential of it", async () => {
  const location =
    "http://us%65r:hunter2pass@127.0.0.1:1/?k=queryTok3n&l=a%2fb-c";
  const opened = openStore(location, {
    clock: new ManualClock(),
    logger: silentLogger,
    openKv: (path) =>
      Promise.reject(new TypeError(`failed to connect to '${path}': refused`)),
  });
  const error: unknown = await opened.catch((cause) => cause);
  const said = String(error);
  match(
    said,
    /^StoreError: The KV store at 127\.0\.0\.1:1 cannot be opened: .*refused$/,
  );
  doesNotMatch(said, /hunter2pass|queryTok3n|a%2fb-c|us%65r/);
});
