/** `POST /api/v1/dead-letters/import`: records of an export or a dead letter file, a line each. */

import type { Context } from "hono";
import type { Clock } from "../../lib/clock.ts";
import { linesOf, readRecord } from "../../lib/delivery/dead_letter_import.ts";
import type { ForeignLetter } from "../../lib/log/dead_import.ts";
import type { DeadLetters } from "../../lib/log/dead_kept.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";

/** Letters of one connector that are taken in together. */
const IMPORT_BATCH = 200;

/** Takes in the lines of a body, each for itself. */
export async function importLines(
  c: Context<AppVariables>,
  { deadLetters, clock, connectors }: {
    readonly deadLetters: DeadLetters;
    readonly clock: Clock;
    readonly connectors: () => readonly string[];
  },
  bytes: Uint8Array,
): Promise<Response> {
  const known = new Set(connectors());
  const errors: { readonly line: number; readonly detail: string }[] = [];
  let imported = 0, skipped = 0;
  let batch: ForeignLetter[] = [];
  const flush = async () => {
    const [first] = batch;
    if (first === undefined) return;
    const outcomes = await deadLetters.import(
      first.connector,
      batch,
      clock.now(),
    );
    batch = [];
    const taken = outcomes.filter(({ outcome }) => outcome === "imported");
    imported += taken.length;
    skipped += outcomes.length - taken.length;
  };
  for (const { number, bytes: line } of linesOf(bytes)) {
    const read = readRecord(line, known);
    if ("fault" in read) {
      errors.push({ line: number, detail: read.fault });
      continue;
    }
    const { letter } = read;
    const isOther = batch[0] !== undefined &&
      batch[0].connector !== letter.connector;
    if (isOther || batch.length >= IMPORT_BATCH) await flush();
    batch.push(letter);
  }
  await flush();
  if (imported + skipped === 0 && errors.length > 0) {
    return problem(
      c,
      "invalid-fields",
      "No line is a dead letter that can be kept here.",
      {},
      {
        errors: errors.map((error) => ({
          pointer: `line ${error.line}`,
          code: "record",
          ...error,
        })),
      },
    );
  }
  c.header("Cache-Control", "no-store");
  return c.json({ imported, skipped, errors });
}
