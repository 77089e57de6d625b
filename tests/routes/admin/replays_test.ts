import { deepEqual, equal, match, ok } from "node:assert/strict";
import { History } from "../../../lib/log/history.ts";
import { Replays } from "../../../lib/log/replays.ts";
import { ADMIN, AdminRig } from "../../support/admin_rig.ts";

/** The routes over a log whose connectors no loop serves: jobs stay as they begin. */
async function withRig(use: (rig: AdminRig) => Promise<void>): Promise<void> {
  await using dead = await AdminRig.open(["a", "b"], {
    replays: ({ log, clock, dead: deadLetters }) =>
      new Replays({
        log,
        deadLetters,
        history: new History(log),
        clock,
        uuid: () => crypto.randomUUID(),
        expire: 3_600_000,
      }),
  });
  await use(dead);
}

Deno.test("POST /replays tells every fault with its pointer", async () => {
  await withRig(async (api) => {
    await api.rig.append(["1"]);
    const log = { kind: "log", to: ["a"], from: "oldest" };
    const dead = { kind: "dead-letters", filter: {} };
    for (
      const [body, pointer] of [
        [{}, "#/kind"],
        [{ kind: "logs" }, "#/kind"],
        [{ ...log, to: undefined }, "#/to"],
        [{ ...log, to: [] }, "#/to"],
        [{ ...log, to: "a" }, "#/to"],
        [{ ...log, to: ["a", "z"] }, "#/to/1"],
        [{ ...log, from: undefined }, "#/from"],
        [{ ...log, from: "yesterday" }, "#/from"],
        [{ ...log, from: { toString: 1, valueOf: 1 } }, "#/from"],
        [{ ...log, until: { toString: 1, valueOf: 1 } }, "#/until"],
        [{ ...log, until: "oldest" }, "#/until"],
        [{ ...log, until: 5 }, "#/until"],
        [{ ...log, rate: -1 }, "#/rate"],
        [{ ...log, rate: "5" }, "#/rate"],
        [{ ...log, all: 1 }, "#/all"],
        [{ ...log, mark: "no" }, "#/mark"],
        [{ ...log, dry_run: 0 }, "#/dry_run"],
        [{ ...log, dryrun: true }, "#/dryrun"],
        [{ ...log, ids: [] }, "#/ids"],
        [{ ...dead, ids: [] }, "#"],
        [{ kind: "dead-letters" }, "#"],
        [{ ...dead, expect: "2" }, "#/expect"],
        [{ ...dead, to: ["a"] }, "#/to"],
        [
          { kind: "dead-letters", filter: { connector: "z" } },
          "#/filter/connector",
        ],
        [{ kind: "dead-letters", ids: ["nothing"] }, "#/ids/0"],
      ] as const
    ) {
      const { status, json } = await api.post("/replays", body);
      equal(status, 422, JSON.stringify(body));
      equal(json.errors[0].pointer, pointer, JSON.stringify(body));
    }
    equal((await api.post("/replays", "{")).status, 400);
    equal((await api.post("/replays", "[]")).status, 422);
    equal((await api.get("/replays?state=open")).status, 422);
    equal((await api.get("/replays?cursor=x")).status, 422);
    equal((await api.get("/replays/none")).status, 404);
    equal((await api.ask("DELETE", "/replays")).status, 405);
    equal((await api.ask("GET", "/replays/none/stop")).status, 405);
    const { json } = await api.get("/replays");
    deepEqual(json, { items: [], next: null });
  });
});

Deno.test("POST /replays of dead letters: dry run, expect, Idempotency-Key, pages", async () => {
  await withRig(async (api) => {
    await api.rig.kill("a", ["1", "22", "333"]);
    await api.rig.kill("b", ["4"]);
    const wish = { kind: "dead-letters", filter: { connector: "a" } };
    const dry = await api.post("/replays", { ...wish, dry_run: true, rate: 2 });
    equal(dry.status, 200);
    deepEqual(dry.json, {
      events: 3,
      bytes: 6,
      seconds: 2,
      already_delivered: 0,
    });
    const changed = await api.post("/replays", { ...wish, expect: 4 });
    equal(changed.status, 409);
    match(changed.json.type, /count-changed$/);
    const key = { "Idempotency-Key": "once" };
    const first = await api.post("/replays", { ...wish, expect: 3 }, key);
    equal(first.status, 202);
    const again = await api.post("/replays", { ...wish, expect: 3 }, key);
    equal(again.text, first.text);
    equal(again.headers.get("Location"), `/api/v1/replays/${first.json.id}`);
    const { created_at, id, ...job } = first.json;
    match(created_at, /^2026-03-13T/);
    match(id, /^[0-9a-z-]{1,40}$/);
    deepEqual(job, {
      kind: "dead-letters",
      to: ["a"],
      from: null,
      until: null,
      rate: 0,
      state: "running",
      total: 3,
      delivered: 0,
      filtered: 0,
      dead: 0,
      skipped: 0,
      left: 3,
      ended_at: null,
      last_error: null,
    });
    for (let n = 0; n < 4; n++) {
      api.rig.clock.advance(1);
      await api.post("/replays", { kind: "dead-letters", filter: {} });
    }
    const page = await api.get("/replays?limit=3&state=running");
    equal(page.json.items.length, 3);
    const rest = await api.get(`/replays?limit=3&cursor=${page.json.next}`);
    equal(rest.json.items.length, 2);
    equal(rest.json.next, null);
    equal(rest.json.items[1].id, id);
    const paused = await api.post(`/replays/${id}/pause`);
    equal(paused.json.state, "paused");
    equal((await api.post(`/replays/${id}/pause`)).text, paused.text);
    equal((await api.post(`/replays/${id}/resume`)).json.state, "running");
    equal((await api.post(`/replays/${id}/stop`)).json.state, "stopped");
    equal((await api.post(`/replays/${id}/stop`)).json.state, "stopped");
    const late = await api.post(`/replays/${id}/resume`);
    equal(late.status, 409);
    match(late.json.type, /wrong-state$/);
    const none = await api.post("/replays", { kind: "dead-letters", ids: [] });
    equal(none.status, 202);
    equal(`${none.json.state} ${none.json.total}`, "finished 0");
  });
});

Deno.test("POST /replays of the log: ranges by time and id, what is not kept", async () => {
  await withRig(async (api) => {
    const empty = await api.post("/replays", {
      kind: "log",
      to: ["a"],
      from: "oldest",
    });
    equal(`${empty.json.state} ${empty.json.total}`, "finished 0");
    const ids: string[] = [], times: string[] = [];
    for (let n = 0; n < 4; n++) {
      times.push(new Date(api.rig.clock.now()).toISOString());
      ids.push(...await api.rig.append(["1", "2", "3"]));
      await api.rig.settle("a", { at: [] });
      api.rig.clock.advance(1_000);
    }
    const count = async (wish: object) => {
      const { status, json } = await api.post("/replays", {
        kind: "log",
        to: ["a"],
        dry_run: true,
        from: "oldest",
        ...wish,
      });
      return status === 200 ? json.events : status;
    };
    equal(await count({}), 12);
    equal(await count({ from: ids[1] }), 11);
    equal(await count({ from: ids[1], until: ids[4] }), 3);
    equal(await count({ from: ids[4], until: ids[1] }), 0);
    equal(await count({ from: times[1] }), 9);
    equal(await count({ from: times[1], until: times[3] }), 6);
    equal(await count({ from: "2030-01-01T00:00:00Z" }), 0);
    equal(await count({ from: "2020-01-01T00:00:00Z" }), 12);
    equal(await count({ to: ["a", "b", "a"] }), 24);
    const gone = await api.post("/replays", {
      kind: "log",
      to: ["a"],
      from: "00000000000000000000-5",
    });
    equal(gone.status, 422);
    equal(gone.json.oldest, ids[0]);
    match(gone.json.detail, new RegExp(`${ids[0]}`));
    // What b has not had yet waits there.
    const { json } = await api.post("/replays", {
      kind: "log",
      to: ["b"],
      from: "oldest",
    });
    deepEqual([json.total, json.skipped, json.state], [12, 12, "finished"]);
  });
});

Deno.test("/replays: an id or a cursor longer than the store's keys is one that is unknown", async () => {
  await withRig(async (api) => {
    const long = "a".repeat(4_000);
    equal((await api.get(`/replays/${long}`)).status, 404);
    equal((await api.post(`/replays/${long}/pause`, "")).status, 404);
    const cursor = btoa(JSON.stringify(long));
    const { status, json } = await api.get(`/replays?cursor=${cursor}`);
    deepEqual([status, json.errors[0].pointer], [422, "?cursor"]);
  });
});

Deno.test("POST replay-dead-letter: an empty body replays all that are kept, an empty array nothing", async () => {
  await withRig(async (api) => {
    await api.rig.kill("a", ["1", "2"]);
    const seed = async (body: string) => {
      const address = "/api/admin/siem/replay-dead-letter";
      const init = { method: "POST", headers: ADMIN, body };
      const response = await api.app.request(address, init);
      const { state, total } = await response.json();
      return [response.status, state, total];
    };
    deepEqual(await seed("[]"), [202, "finished", 0]);
    deepEqual(await seed(" [ ]\n"), [202, "finished", 0]);
    deepEqual(await seed(" \r\n"), [202, "running", 2]);
  });
});

Deno.test("POST replay-dead-letter lists the first wrong records, and counts the rest", async () => {
  await withRig(async (api) => {
    const address = "/api/admin/siem/replay-dead-letter";
    const init = { method: "POST", headers: ADMIN, body: "{}".repeat(5_000) };
    const response = await api.app.request(address, init);
    const { errors, more_errors } = await response.json();
    deepEqual(
      [response.status, errors.length, more_errors],
      [422, 1_000, 4_000],
    );
    equal(errors.at(-1).pointer, "record 1000");
  });
});

Deno.test("POST /replays of dead letters counts what a discard before it has left", async () => {
  await withRig(async (api) => {
    await api.rig.kill("a", ["1", "2", "3"]);
    const body = { filter: { connector: "a" }, expect: 3 };
    const [discarded, replay] = await Promise.all([
      api.post("/dead-letters/discard", body),
      api.post("/replays", { kind: "dead-letters", ...body }),
    ]);
    deepEqual([discarded.status, discarded.json], [200, { discarded: 3 }]);
    deepEqual(
      [replay.status, replay.json.expected, replay.json.found],
      [409, 3, 0],
    );
    deepEqual((await api.get("/replays")).json.items, []);
  });
});

Deno.test("POST /replays: the estimate goes by the connector that gets most, as the rate holds for each", async () => {
  await withRig(async (api) => {
    await api.rig.kill("a", ["1", "22", "333"]);
    await api.rig.kill("b", ["4"]);
    const ask = async (wish: Readonly<Record<string, unknown>>) =>
      (await api.post("/replays", { ...wish, dry_run: true, rate: 1 })).json;
    const dead = await ask({ kind: "dead-letters", filter: {} });
    deepEqual([dead.events, dead.seconds], [6, 3]);
    const log = { kind: "log", from: "oldest", all: true };
    const one = await ask({ ...log, to: ["a"] });
    const both = await ask({ ...log, to: ["a", "b"] });
    ok(one.seconds > 0);
    const other = await ask({ ...log, to: ["b"] });
    equal(both.seconds, Math.max(one.seconds, other.seconds));
    equal(both.events, one.events + other.events);
  });
});

Deno.test("POST /api/admin/siem/replay-dead-letter: only JSON's blanks make an empty body", async () => {
  await withRig(async (api) => {
    await api.rig.kill("a", ["1"]);
    const send = (body: string) =>
      api.post("/../admin/siem/replay-dead-letter", body);
    for (const byte of ["\0", "\x01", "\x0b", "\x1f"]) {
      const { status, json } = await send(byte.repeat(50));
      equal(status, 400, JSON.stringify(byte));
      match(json.type, /invalid-json$/);
    }
    deepEqual((await api.get("/replays")).json.items, []);
    const { status, json } = await send(" \t\r\n");
    deepEqual([status, json.total], [202, 1]);
    for (const path of ["/replays", "/dead-letters/discard"]) {
      const { status } = await api.post(path, "\0\0");
      equal(status, 400, path);
    }
  });
});

Deno.test("GET /replays, /dead-letters: Link names the next page, the filter with it", async () => {
  await withRig(async (api) => {
    await api.rig.kill("a", ["1", "2", "3"]);
    for (let n = 0; n < 3; n++) {
      await api.post("/replays", { kind: "dead-letters", filter: {} });
    }
    for (
      const first of [
        "/dead-letters?connector=a&limit=2",
        "/replays?state=running&limit=2",
      ]
    ) {
      const page = await api.get(first);
      const [, path = ""] =
        /^<\/api\/v1(.*)>; rel="next"$/.exec(page.headers.get("Link") ?? "") ??
          [];
      equal(path, `${first}&cursor=${page.json.next}`);
      const last = await api.get(path);
      equal(last.json.items.length, 1);
      deepEqual([last.json.next, last.headers.get("Link")], [null, null]);
    }
  });
});
