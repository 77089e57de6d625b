import { deepEqual, equal, ok } from "node:assert/strict";
import { statusReport } from "../../../lib/delivery/status.ts";
import { advance } from "../../../lib/log/cursor.ts";
import { AdminRig } from "../../support/admin_rig.ts";
import { allDecided } from "../../support/place_rig.ts";

const PATH = "/connectors/a/expired";

Deno.test("GET /connectors/{name}/expired: newest first, by pages, nothing else taken", async () => {
  await using admin = await AdminRig.open();
  const { rig } = admin;
  const holding = await rig.holding("a");
  const firsts: string[] = [];
  for (let n = 0; n < 7; n++) {
    const ids = await rig.append([`"${n}"`, `"${n}!"`]);
    const segment = await rig.log.next(holding.place);
    ok(segment);
    const place = advance(holding.place, [segment], segment.count);
    const { books } = place;
    rig.clock.advance(1_000);
    ok(
      await holding.settle(
        { ...place, books: { ...books, expired: books.expired + 2 } },
        [],
        allDecided(segment, "expired", rig.clock.now()),
      ),
    );
    firsts.unshift(ids[0] ?? "");
  }
  const found: string[] = [];
  let next: string | null = "";
  while (next !== null) {
    const query: string = next === "" ? "" : `&cursor=${next}`;
    const { status, json } = await admin.get(`${PATH}?limit=3${query}`);
    equal(status, 200);
    for (const item of json.items) {
      deepEqual(Object.keys(item), [
        "first",
        "last",
        "events",
        "bytes",
        "from",
        "to",
        "at",
        "reason",
      ]);
      equal(item.events, 2);
      equal(item.bytes, 7);
      equal(item.reason, "age");
      ok(Date.parse(item.from) < Date.parse(item.at));
      found.push(item.first);
    }
    next = json.next;
  }
  deepEqual(found, firsts);
  for (
    const wrong of ["limit=0", "limit=501", "cursor=x", "cursor=W10", "up=1"]
  ) {
    equal((await admin.get(`${PATH}?${wrong}`)).status, 422, wrong);
  }
  deepEqual((await admin.get("/connectors/b/expired")).json, {
    items: [],
    next: null,
  });
  equal((await admin.get("/connectors/zz/expired")).status, 404);
});

Deno.test("statusReport() names when a connector that is off loses its oldest event", async () => {
  await using admin = await AdminRig.open();
  const { rig: { log, clock } } = admin;
  const expire = 3_600_000;
  const report = async () => {
    const { connectors } = await statusReport({
      log,
      connectors: [{
        name: "a",
        type: "splunk",
        oldestWaiting: null,
        isDisabled: true,
        isFed: true,
        warning: null,
      }],
      keep: 0,
      expire,
      version: "1",
      uptime: 0,
    });
    const [{ loses_at, at_risk, oldest_waiting } = {}] = connectors;
    return [oldest_waiting, loses_at, at_risk];
  };
  deepEqual(await report(), [null, null, false]);
  const at = clock.now();
  await admin.rig.append(["1"]);
  const text = (ms: number) => new Date(ms).toISOString();
  deepEqual(await report(), [text(at), text(at + expire), false]);
  clock.advance(expire / 2 + 1);
  deepEqual(await report(), [text(at), text(at + expire), true]);
});
