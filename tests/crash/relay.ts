/**
 * The relay, made to end at a commit point: `main.ts` itself, in a process whose `Deno.openKv` and file writes count.
 * Nothing of this is in the product. Told by `HECATE_TEST_CRASH_AT` (`points.ts`); the process kills itself (SIGKILL)
 * right before or right after the write, so nothing else runs.
 */

import { systemClock } from "../../lib/clock.ts";
import { CRASH_AT, crashOf, pointsOf } from "./points.ts";

const crash = crashOf(Deno.env.get(CRASH_AT));
let left = crash?.nth ?? 0;
/** How often retention looks, in place of 10 s, so that lives of less than a second trim. */
const TRIM_EVERY_MS = 60, RETENTION_MS = 10_000;

/** Does the life end at this write? Then it ends here, where it is meant to end before it. */
function reach(points: readonly string[]): boolean {
  if (crash === undefined || !points.includes(crash.point)) return false;
  if (--left > 0) return false;
  if (crash.when === "before") Deno.kill(Deno.pid, "SIGKILL");
  return true;
}

/** Its properties cannot be assigned to. */
function replace<K extends "openKv" | "openSync">(
  name: K,
  value: (typeof Deno)[K],
): void {
  Object.defineProperty(Deno, name, { value });
}

const { openKv, openSync } = Deno;
replace("openKv", async (path?: string) => {
  const kv = await openKv(path);
  const atomic = kv.atomic.bind(kv);
  kv.atomic = () => {
    const operation = atomic();
    const set = new Set<string>(), deleted = new Set<string>();
    const own = {
      set: operation.set,
      delete: operation.delete,
      commit: operation.commit,
    };
    operation.set = (key, value, options) => {
      set.add(String(key[0]));
      own.set.call(operation, key, value, options);
      return operation;
    };
    operation.delete = (key) => {
      deleted.add(String(key[0]));
      own.delete.call(operation, key);
      return operation;
    };
    operation.commit = async () => {
      const ends = reach(pointsOf({ set, deleted }));
      const result = await own.commit.call(operation);
      if (ends) Deno.kill(Deno.pid, "SIGKILL");
      return result;
    };
    return operation;
  };
  return kv;
});

replace("openSync", (path, options) => {
  const file = openSync(path, options);
  if (!String(path).endsWith(".places")) return file;
  const write = file.writeSync.bind(file);
  file.writeSync = (bytes) => {
    const ends = reach(["place file"]);
    const written = write(bytes);
    if (ends) Deno.kill(Deno.pid, "SIGKILL");
    return written;
  };
  return file;
});

const { sleep } = systemClock;
systemClock.sleep = (ms, signal) =>
  sleep(ms === RETENTION_MS ? TRIM_EVERY_MS : ms, signal);

await import("../../main.ts");
