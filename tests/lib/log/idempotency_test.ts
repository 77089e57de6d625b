import { deepEqual, equal, ok } from "node:assert/strict";
import {
  type Claim,
  claimKey,
  keepAnswer,
} from "../../../lib/log/idempotency.ts";
import { openStore, type Store } from "../../../lib/log/store.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const MINUTE = 60_000;
const ANSWER = { status: 202, headers: { Location: "/x" }, text: "done" };

/** A store in a file, or in memory as a platform's, which others may share. */
async function open(
  clock: ManualClock,
  location: string | undefined,
): Promise<Store> {
  return await openStore(location, {
    clock,
    logger: silentLogger,
    openKv: (path) => Deno.openKv(path ?? ":memory:"),
  });
}

function versionOf(claim: Claim): string {
  ok(claim.kind === "new");
  return claim.version;
}

Deno.test("claimKey() of a file: what a killed process had claimed is free at the next start", async () => {
  const folder = await Deno.makeTempDir();
  const clock = new ManualClock();
  const killed = await open(clock, `${folder}/a.kv`);
  equal((await claimKey(killed, "k", "print")).kind, "new");
  equal((await claimKey(killed, "k", "print")).kind, "running");
  killed.close();
  const store = await open(clock, `${folder}/a.kv`);
  const claim = await claimKey(store, "k", "print");
  equal(claim.kind, "new");
  equal((await claimKey(store, "k", "print")).kind, "running");
  await keepAnswer(store, "k", {
    print: "print",
    version: versionOf(claim),
  }, ANSWER);
  store.close();
  const later = await open(clock, `${folder}/a.kv`);
  deepEqual(await claimKey(later, "k", "print"), {
    kind: "known",
    answer: ANSWER,
  });
  equal((await claimKey(later, "k", "another")).kind, "other");
  later.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("claimKey() gives a key once, however many ask and however long it runs", async () => {
  const clock = new ManualClock();
  const store = await open(clock, ":memory:");
  const claims = await Promise.all(
    Array.from({ length: 8 }, () => claimKey(store, "k", "print")),
  );
  const [first, ...rest] = claims.toSorted((a, b) => a.kind < b.kind ? -1 : 1);
  ok(first);
  equal(first.kind, "new");
  deepEqual(new Set(rest.map(({ kind }) => kind)), new Set(["running"]));
  clock.advance(11 * MINUTE);
  equal((await claimKey(store, "k", "print")).kind, "running");
  equal((await claimKey(store, "k", "another")).kind, "other");
  // It failed: free for the next one, and this process forgets it.
  await keepAnswer(store, "k", {
    print: "print",
    version: versionOf(first),
  }, undefined);
  equal((await claimKey(store, "k", "another")).kind, "new");
  store.close();
});

Deno.test("claimKey() of a shared store: another process's claim holds ten minutes", async () => {
  const clock = new ManualClock();
  const kv = await Deno.openKv(":memory:");
  const openKv = () => Promise.resolve(kv);
  const options = { clock, logger: silentLogger, openKv };
  const gone = await openStore(undefined, options);
  const store = await openStore(undefined, options);
  equal((await claimKey(gone, "k", "print")).kind, "new");
  clock.advance(10 * MINUTE);
  equal((await claimKey(store, "k", "print")).kind, "running");
  clock.advance(1);
  equal((await claimKey(store, "k", "print")).kind, "new");
  kv.close();
});
