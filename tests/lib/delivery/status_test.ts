import assert from "node:assert/strict";
import {
  type ReportedConnector,
  statusReport,
} from "../../../lib/delivery/status.ts";
import { beginPlaces } from "../../../lib/log/begin.ts";
import { LEASE_MS, takeLease } from "../../../lib/log/lease.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { drive, pass } from "../../support/drive.ts";
import { FaultyKv } from "../../support/faulty_kv.ts";
import { openRig } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const LOCAL: ReportedConnector = {
  name: "soc",
  type: "hec",
  oldestWaiting: null,
  isDisabled: false,
  isFed: true,
  warning: "The queue is nearly full.",
  warned: { answers: 3, aside: 1 },
};

Deno.test("statusReport() shows the holder's warning, not this process's own of before a handover", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const start = (instance: string): Promise<EventLog> =>
    openRig({
      location: "http://kv.invalid",
      clock,
      instance,
      openKv: () =>
        Promise.resolve(new FaultyKv(real, { commit: () => undefined })),
    });
  const former = await start("former"), holder = await start("holder");
  const shown = async (log: EventLog, connector: ReportedConnector) => {
    const { connectors: [soc] } = await statusReport({
      log,
      connectors: [connector],
      keep: 0,
      expire: 0,
      version: "1",
      uptime: 0,
    });
    assert.ok(soc);
    return [soc.holder, soc.warning, soc.warned.answers];
  };
  await beginPlaces(former.store, [{ name: "soc", from: "newest" }]);
  const stop = new AbortController();
  const holding = await drive(clock, takeLease(holder, "soc", stop));

  assert.deepEqual(await shown(former, LOCAL), ["holder", null, 0]);
  assert.deepEqual(await shown(holder, LOCAL), ["holder", LOCAL.warning, 3]);
  const silent = { ...LOCAL, warning: null };
  holder.share.tell(() => ({ soc: { warning: "!", answers: 2, aside: 0 } }));
  await pass(clock, LEASE_MS, 500);
  assert.deepEqual(await shown(former, LOCAL), ["holder", "!", 2]);
  assert.deepEqual(await shown(holder, silent), ["holder", null, 3], "at once");

  stop.abort();
  await drive(clock, holding.release());
  await drive(clock, Promise.all([former.close(), holder.close()]));
  real.close();
});
