/** The seed's `/api/admin/siem/replay-dead-letter` (interface §10): records in, exactly those replayed. */

import type { Context } from "hono";
import type { Clock } from "../../lib/clock.ts";
import type { BookedConnector } from "../../lib/delivery/books_watch.ts";
import { recordsIn } from "../../lib/delivery/dead_letter_import.ts";
import { afterSpace } from "../../lib/json/skip.ts";
import type { DeadName } from "../../lib/log/dead_kept.ts";
import type { Replays } from "../../lib/log/replays.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { jsonOf } from "./bodies.ts";
import { takeIn } from "./dead_intake.ts";
import { begun } from "./replay_answers.ts";

export interface SeedDeps {
  readonly replays: Replays;
  readonly clock: Clock;
  readonly connectors: () => readonly BookedConnector[];
}

/** Takes the body's records in, and begins their replay. An empty one: of all that are kept. */
export async function replaySeed(
  c: Context<AppVariables>,
  { replays, connectors, clock }: SeedDeps,
  bytes: Uint8Array,
): Promise<Response> {
  const names = new Set(connectors().map(({ name }) => name));
  // No body, not even an array of no records: that must not send all that is kept.
  if (afterSpace(bytes, 0) === bytes.length) {
    const blank = jsonOf(c, bytes);
    if (blank instanceof Response) return blank;
    const all = await replays.letters({ choice: { filter: {} } }, names);
    return begun(c, await replays.startDead(all, { rate: 0 }));
  }
  const { deadLetters } = replays;
  const dead: DeadName[] = [];
  const skipped = new Map<string, number>();
  const faults = await takeIn(
    recordsIn(bytes),
    { deadLetters, clock, connectors: names },
    (connector, letters) => {
      for (const { id, outcome } of letters) {
        if (outcome === "imported" || outcome === "dead") {
          dead.push({ connector, id });
        } else skipped.set(connector, (skipped.get(connector) ?? 0) + 1);
      }
    },
  );
  if (dead.length + skipped.size === 0 && faults.count > 0) {
    return problem(
      c,
      "invalid-fields",
      "There is no dead letter that can be replayed here.",
      {},
      faults.told((fault) => ({
        pointer: `record ${fault.line}`,
        code: "record",
        ...fault,
      })),
    );
  }
  const found = await replays.letters({ choice: { names: dead } }, names);
  const job = await replays.startDead(found, { rate: 0, skipped });
  return begun(c, job, faults.count === 0 ? {} : faults.told((fault) => fault));
}
