/** The seed's `/api/admin/siem/replay-dead-letter` (interface §10): records in, exactly those replayed. */

import type { Context } from "hono";
import type { Clock } from "../../lib/clock.ts";
import type { BookedConnector } from "../../lib/delivery/books_watch.ts";
import {
  readRecord,
  recordsIn,
} from "../../lib/delivery/dead_letter_import.ts";
import type { ForeignLetter } from "../../lib/log/dead_import.ts";
import type { DeadName } from "../../lib/log/dead_kept.ts";
import type { Replays } from "../../lib/log/replays.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { begun } from "./replay_answers.ts";

/** Letters of one connector that are taken in together. */
const IMPORT_BATCH = 200;

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
  const letters: ForeignLetter[] = [];
  const errors: { readonly line: number; readonly detail: string }[] = [];
  for (const { number, bytes: text } of recordsIn(bytes)) {
    const read = readRecord(text, names);
    if ("fault" in read) errors.push({ line: number, detail: read.fault });
    else letters.push(read.letter);
  }
  if (letters.length === 0 && errors.length > 0) {
    return problem(
      c,
      "invalid-fields",
      "There is no dead letter that can be replayed here.",
      {},
      {
        errors: errors.map((error) => ({
          pointer: `record ${error.line}`,
          code: "record",
          ...error,
        })),
      },
    );
  }
  // An array of no records is not "no body": it must not send all that is kept.
  if (letters.length === 0 && !bytes.some((byte) => byte > 0x20)) {
    const all = await replays.letters({ choice: { filter: {} } }, names);
    return begun(c, await replays.startDead(all, { rate: 0 }));
  }
  const { dead, skipped } = await takeIn(replays, letters, clock.now());
  const found = await replays.letters({ choice: { names: dead } }, names);
  const job = await replays.startDead(found, { rate: 0, skipped });
  return begun(c, job, errors.length === 0 ? {} : { errors });
}

/** Imports records: which of them are dead letters now, and by connector how many need no sending. */
async function takeIn(
  { deadLetters }: Replays,
  letters: readonly ForeignLetter[],
  now: number,
) {
  const dead: DeadName[] = [];
  const skipped = new Map<string, number>();
  for (let from = 0; from < letters.length;) {
    const connector = letters[from]?.connector ?? "";
    let to = from;
    while (
      to < from + IMPORT_BATCH && letters[to]?.connector === connector
    ) to++;
    const some = letters.slice(from, to);
    from = to;
    for (
      const { id, outcome } of await deadLetters.import(connector, some, now)
    ) {
      if (outcome === "imported" || outcome === "dead") {
        dead.push({ connector, id });
      } else skipped.set(connector, (skipped.get(connector) ?? 0) + 1);
    }
  }
  return { dead, skipped };
}
