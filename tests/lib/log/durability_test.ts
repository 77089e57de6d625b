import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { systemClock } from "../../../lib/clock.ts";
import { type LogEvent, silentLogger } from "../../../lib/logger.ts";
import { logKey, partKey } from "../../../lib/log/keys.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { NO_HASH, readHeader } from "../../../lib/log/segment.ts";
import { openStore, StoreError } from "../../../lib/log/store.ts";
import {
  intakeOf,
  latin1,
  noise,
  openRig,
  rawTextsOf,
  readAll,
  seeded,
} from "../../support/log_rig.ts";

async function inFolder(
  work: (location: string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(`${folder}/sub/hecate.kv`, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function headerOf(log: EventLog, id: string) {
  const { value } = await log.store.kv.get(logKey(id));
  ok(value instanceof Uint8Array);
  const header = readHeader(value);
  ok(header);
  return header;
}

async function append(
  log: EventLog,
  text: string | Uint8Array,
): Promise<string> {
  const { ids } = await log.append(intakeOf([text]));
  const [run] = ids;
  ok(run);
  return run.segment;
}

Deno.test("openLog() goes on after a restart: events, totals and hash chain", () =>
  inFolder(async (location) => {
    const first = await openRig({ location });
    const a = await append(first, "1"), b = await append(first, "[2,3]");
    await first.close();
    const second = await openRig({ location });
    deepEqual(await readAll(second), ["1", "[2,3]"]);
    const end = await second.end();
    equal(end.segment, b);
    const c = await append(second, "4");
    // A connector that was at the end is served from memory at once.
    const before = second.lagReads;
    equal((await second.next(end))?.id, c);
    equal(second.lagReads, before);
    const [ha, hb, hc] = [
      await headerOf(second, a),
      await headerOf(second, b),
      await headerOf(second, c),
    ];
    equal(ha.previous, NO_HASH);
    equal(hb.previous, ha.checksum);
    equal(hc.previous, hb.checksum);
    deepEqual([ha, hb, hc].map((h) => h.eventsBefore), [0, 1, 2]);
    equal(hc.bytesBefore, ha.storedBytes + hb.storedBytes);
    equal((await second.stats()).events, 3);
    await second.close();
  }));

Deno.test("next() sets a damaged segment aside alone and says so once", () =>
  inFolder(async (location) => {
    const first = await openRig({ location });
    await append(first, "1");
    const bad = await append(first, noise(seeded(6), 150_000));
    const worse = await append(first, "2");
    await append(first, "3");
    await first.close();
    const kv = await Deno.openKv(location);
    const part = await kv.get<Uint8Array>(partKey(1, bad));
    ok(part.value);
    part.value[7] = (part.value[7] ?? 0) ^ 1;
    await kv.set(partKey(1, bad), part.value);
    await kv.set(logKey(worse), new Uint8Array([1, 2, 3]));
    kv.close();
    const said: LogEvent[] = [];
    const log = await openRig({
      location,
      logger: {
        log: (_level, event) => {
          said.push(event);
        },
      },
    });
    deepEqual(await readAll(log), ["1", "3"]);
    deepEqual(await readAll(log), ["1", "3"]);
    equal(log.damaged, 2);
    equal(said.filter((event) => event === "log.damaged").length, 2);
    await log.close();
  }));

Deno.test("openStore() makes the folder for this user alone, with pages of 16 KiB", () =>
  inFolder(async (location, folder) => {
    const log = await openRig({ location });
    await append(log, "1");
    equal(((await Deno.stat(`${folder}/sub`)).mode ?? 0) & 0o777, 0o700);
    equal(((await Deno.stat(location)).mode ?? 0) & 0o077, 0);
    await log.close();
    const file = await Deno.readFile(location);
    equal(((file[16] ?? 0) << 8) | (file[17] ?? 0), 16_384);
  }));

Deno.test("openStore() refuses a data directory that another process uses, in one line", () =>
  inFolder(async (location) => {
    const log = await openRig({ location });
    const script = `
      import { openStore } from ${
      JSON.stringify(new URL("../../../lib/log/store.ts", import.meta.url).href)
    };
      import { systemClock } from ${
      JSON.stringify(new URL("../../../lib/clock.ts", import.meta.url).href)
    };
      try {
        const store = await openStore(Deno.args[0], { clock: systemClock, logger: { log() {} } });
        store.close();
        console.log("opened");
      } catch (error) {
        console.log(error.name + ": " + error.message);
      }
      // As main.ts does: Deno 2.5 goes on waiting for the lock.
      Deno.exit(1);`;
    const run = async () => {
      const file = `${location}.ts`;
      await Deno.writeTextFile(file, script);
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-lock", "--unstable-kv", file, location],
        stdout: "piped",
        stderr: "null",
      }).output();
      return new TextDecoder().decode(stdout);
    };
    const refused = await run();
    match(refused, /^StoreError: The data directory \S+ is in use by another/);
    equal(refused.trim().split("\n").length, 1);
    await log.close();
    equal((await run()).trim(), "opened");
  }));

Deno.test("openStore() says in one line what it cannot open", () =>
  inFolder(async (_location, folder) => {
    await Deno.writeTextFile(`${folder}/text.kv`, "not a database ".repeat(99));
    await rejects(
      openStore(`${folder}/text.kv`, {
        clock: systemClock,
        logger: silentLogger,
      }),
      (error) =>
        error instanceof StoreError && /text\.kv cannot be/.test(error.message),
    );
  }));

Deno.test("a random run of appends, reads and restarts agrees with a list", () =>
  inFolder(async (location) => {
    const seed = Number(Deno.env.get("SEED") ?? 7);
    const random = seeded(seed);
    const model: string[] = [];
    let log = await openRig({ location, tailBytes: 300_000 });
    let place = { segment: "", index: 0 };
    let read = 0;
    for (let step = 0; step < 400; step++) {
      const dice = random();
      if (dice < 0.6) {
        const texts = Array.from(
          { length: 1 + Math.floor(random() ** 4 * 400) },
          () => noise(random, 8 + Math.floor(random() ** 8 * 90_000)),
        );
        equal((await log.append(intakeOf(texts))).kept, texts.length);
        model.push(...texts.map(latin1));
      } else if (dice < 0.97) {
        const segment = await log.next(place);
        if (segment === undefined) {
          equal(read, model.length, `seed ${seed}, step ${step}`);
          continue;
        }
        const from = segment.id === place.segment ? place.index : 0;
        const to = from + 1 + Math.floor(random() * (segment.count - from));
        deepEqual(
          rawTextsOf(segment).slice(from, to),
          model.slice(read, read + to - from),
          `seed ${seed}, step ${step}`,
        );
        read += to - from;
        place = { segment: segment.id, index: to };
      } else {
        await log.close();
        log = await openRig({ location, tailBytes: 300_000 });
      }
    }
    deepEqual(await readAll(log, rawTextsOf), model, `seed ${seed}`);
    await log.close();
  }));
