/** `POST /api/v1/dead-letters/import`: records of an export or a dead letter file, a line each. */

import type { Context } from "hono";
import { linesOf } from "../../lib/delivery/dead_letter_import.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { type IntakeParts, takeIn } from "./dead_intake.ts";

/** Takes in the lines of a body, each for itself. */
export async function importLines(
  c: Context<AppVariables>,
  parts: IntakeParts,
  bytes: Uint8Array,
): Promise<Response> {
  let imported = 0, skipped = 0;
  const faults = await takeIn(linesOf(bytes), parts, (_, letters) => {
    const taken = letters.filter(({ outcome }) => outcome === "imported");
    imported += taken.length;
    skipped += letters.length - taken.length;
  });
  if (imported + skipped === 0 && faults.count > 0) {
    return problem(
      c,
      "invalid-fields",
      "No line is a dead letter that can be kept here.",
      {},
      faults.told((fault) => ({
        pointer: `line ${fault.line}`,
        code: "record",
        ...fault,
      })),
    );
  }
  c.header("Cache-Control", "no-store");
  return c.json({ imported, skipped, ...faults.told((fault) => fault) });
}
