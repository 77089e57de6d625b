/** Makes durable what a job's batch decided, whatever the store does meanwhile. */

import type { Clock } from "../clock.ts";
import { EventView } from "../event.ts";
import { DeadPlanRefused } from "../log/dead_books.ts";
import { type JobPart, leftOf } from "../log/job.ts";
import type { JobDecision } from "../log/job_decision.ts";
import { commitDecisions } from "../log/job_progress.ts";
import { readPart } from "../log/jobs.ts";
import { messageOf } from "../log/kv.ts";
import type { Store } from "../log/store.ts";
import type { Logger } from "../logger.ts";
import { type DeadLetterFile, deadLetterLine } from "./dead_letter_file.ts";

/** Between two tries. */
const RETRY_MS = 1_000;

export interface DecidedContext {
  /** The connector's name. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deadLetterFile?: Pick<DeadLetterFile, "append"> | undefined;
  readonly store: Store;
  /** The epoch of the connector's lease. */
  readonly fence: Deno.AtomicCheck;
  /** Ends the waits. */
  readonly stop: AbortSignal;
}

/**
 * Until all of it is durable. @returns the part as it is then.
 * @throws {DeadPlanRefused} when the lease is lost, or when the loop is to end.
 */
export async function makeDurable(
  context: DecidedContext,
  first: JobPart,
  decisions: readonly JobDecision[],
): Promise<JobPart> {
  const { store, clock, logger, name, fence } = context;
  await file(context, decisions);
  let open = decisions, now = first;
  while (open.length > 0) {
    const before = now;
    const commit = { store, fence, now: clock.now() };
    try {
      const { part, done } = await commitDecisions(commit, before, open);
      now = part;
      open = open.slice(done);
      continue;
    } catch (error) {
      if (error instanceof DeadPlanRefused) throw error;
      logger.log("warn", "store.slow", "A replay's progress waits", {
        connector: name,
        error: messageOf(error),
      });
    }
    // It may have happened: the part tells how much of it.
    const part = await readAgain(context, before.job);
    if (part === undefined) throw new DeadPlanRefused("The job is gone");
    let counted = leftOf(before) - leftOf(part);
    now = part;
    while (counted > 0) {
      const [one] = open;
      if (one === undefined) break;
      counted -= "count" in one ? one.count : 1;
      open = open.slice(1);
    }
  }
  return now;
}

/** The part, as soon as the store tells: forgotten meanwhile, what the SIEM took would go to it again. */
async function readAgain(
  { store, clock, name, stop }: DecidedContext,
  job: string,
): Promise<JobPart | undefined> {
  for (;;) {
    await store.refresh().catch(() => undefined);
    await clock.sleep(RETRY_MS, stop);
    try {
      return await readPart(store, job, name);
    } catch {
      // It is still away, which was said.
    }
  }
}

/** New dead letters go into the file, before the store has them: written twice is harmless. */
async function file(
  { deadLetterFile, name: connector }: DecidedContext,
  decisions: readonly JobDecision[],
): Promise<void> {
  if (deadLetterFile === undefined) return;
  const view = new EventView();
  const lines = decisions.flatMap((one) =>
    one.kind === "dead" && one.letter !== undefined && one.origin
      ? [
        deadLetterLine(view.at(one.origin.segment, one.origin.index), {
          at: one.letter.at,
          connector,
          error: one.error,
          reason: one.reason,
          attempts: one.attempts,
        }),
      ]
      : []
  );
  if (lines.length > 0) await deadLetterFile.append(lines);
}
