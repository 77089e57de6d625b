import { deepEqual, ok } from "node:assert/strict";
import { EventRun } from "../../../lib/event.ts";
import { expiredWrites } from "../../../lib/log/expired.ts";
import { fromValue } from "../../../lib/log/kv.ts";

Deno.test("expiredWrites() of any number of damaged segments fits a commit", () => {
  const damaged = Array.from({ length: 2_000 }, (_, n) => ({
    id: String(n).padStart(20, "0"),
    from: 0,
    count: 3,
    storedBytes: 100,
    receivedAt: n < 5 ? null : n,
  }));
  const decided = { at: 9_000, run: new EventRun(), ranges: [] };
  const writes = expiredWrites("a", decided, damaged);
  ok(writes.length <= 20, `${writes.length} records`);
  const [[, value] = []] = writes;
  deepEqual(fromValue(value), {
    first: "00000000000000000000-0",
    last: "00000000000000001999-2",
    events: 6_000,
    bytes: 200_000,
    from: null,
    to: 1_999,
    reason: "damaged",
  });
  // A few stand for themselves.
  deepEqual(expiredWrites("a", decided, damaged.slice(0, 20)).length, 20);
});
