/**
 * One process that appends as fast as it is let, until stdin ends; what it was told is kept goes to stdout. For
 * `appends.ts`, which starts two of them behind proxies.
 *
 * Lines of stdout: `{"acked":[…],"segment":id}` and `{"unclear":[…]}` as it goes, `{"figures":{…}}` at the end.
 */

import { systemClock } from "../../lib/clock.ts";
import { openLog } from "../../lib/log/log.ts";
import { openStore } from "../../lib/log/store.ts";
import type { Logger } from "../../lib/logger.ts";
import { intakeOf } from "../support/log_rig.ts";

/** What a process has to say of itself. */
export interface AppenderFigures {
  readonly appends: number;
  readonly unclear: number;
  /** Commits whose outcome the writer head had to tell. */
  readonly inDoubt: number;
  readonly foundStored: number;
  readonly fenced: number;
  /** The longest that one append took, milliseconds. */
  readonly worst: number;
}

export interface AppenderSettings {
  readonly name: string;
  readonly kv: string;
  /** How many appends are under way at once. */
  readonly workers: number;
  /** How long a call may take, milliseconds. */
  readonly callMs: number;
}

async function append(settings: AppenderSettings): Promise<void> {
  const { name, kv, workers, callMs } = settings;
  const told: Record<string, number> = {};
  const logger: Logger = {
    log: (_level, _event, message) => {
      told[message] = (told[message] ?? 0) + 1;
    },
  };
  const store = await openStore(kv, { clock: systemClock, logger, callMs });
  const log = await openLog(store, {
    clock: systemClock,
    logger,
    random: Math.random,
    uuid: () => crypto.randomUUID(),
    instance: name,
    connectors: () => [],
    keep: 86_400_000,
    keepBytes: 2 ** 30,
  });
  let isOver = false, worst = 0, appends = 0, doubtful = 0;
  const worker = async (w: number) => {
    for (let n = 0; !isOver; n++) {
      const event = `["${name}",${w},${n}]`;
      const began = systemClock.monotonic();
      const { kept, ids } = await log.append(intakeOf([event]));
      worst = Math.max(worst, systemClock.monotonic() - began);
      const segment = ids[0]?.segment;
      say(kept === 1 ? { acked: [w, n], segment } : { unclear: [w, n] });
      if (kept === 1) {
        appends++;
        // Not all at the same moment, so that all lanes have commits of their own.
        await systemClock.sleep(Math.random() * 4);
      } else {
        doubtful++;
        await systemClock.sleep(100);
      }
    }
  };
  const working = Promise.all(
    Array.from({ length: workers }, (_, w) => worker(w)),
  );
  say({ ready: true });
  for await (const _ of Deno.stdin.readable);
  isOver = true;
  await working;
  await log.close();
  const figures: AppenderFigures = {
    appends,
    unclear: doubtful,
    inDoubt: told["An append's outcome is unknown; asking the writer head"] ??
      0,
    foundStored: told["An append in doubt is stored"] ?? 0,
    fenced: told["An append in doubt is fenced off"] ?? 0,
    worst: Math.round(worst),
  };
  say({ figures });
}

const encoder = new TextEncoder();

function say(line: unknown): void {
  const bytes = encoder.encode(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length;) {
    at += Deno.stdout.writeSync(bytes.subarray(at));
  }
}

if (import.meta.main) {
  await append(JSON.parse(Deno.args[0] ?? "{}"));
  // Operations that nothing cancels would keep the process.
  Deno.exit(0);
}
