/**
 * Commit points: the places where a process is stopped to see what it leaves behind. A point is named after what is
 * written there: the first part of a key (`lib/log/keys.ts` lists them), `follow` (the store's place follows the file),
 * `delete log` (trimming), or `place file` (a settle).
 */

/** Where a life ends: at the nth time that this point is reached, before it is written or after. */
export interface CrashAt {
  readonly point: string;
  readonly nth: number;
  readonly when: "before" | "after";
}

/** Name of the variable that `relay.ts` reads. */
export const CRASH_AT = "HECATE_TEST_CRASH_AT";

/** Every point that a campaign must have ended a life at, on both sides. */
export const POINTS: readonly string[] = [
  "log",
  "writer",
  "epoch",
  "lease",
  "place file",
  "follow",
  "sent",
  "dead",
  "deadat",
  "deadbooks",
  "deadend",
  "ackids",
  "ack",
  "acktold",
  "trim",
  "delete log",
  "hand",
  "job",
  "jobpart",
  "jobitem",
  "delete jobopen",
];

/** The variable's text. */
export function crashText({ point, nth, when }: CrashAt): string {
  return JSON.stringify({ point, nth, when });
}

/** What the variable says. Undefined: nothing ends the process. */
export function crashOf(text: string | undefined): CrashAt | undefined {
  if (text === undefined) return undefined;
  const value: CrashAt = JSON.parse(text);
  return value;
}

/** What one commit writes. */
export interface Written {
  readonly set: ReadonlySet<string>;
  readonly deleted: ReadonlySet<string>;
}

/** The points that a commit is. */
export function pointsOf({ set, deleted }: Written): string[] {
  const points = [...set];
  if (set.has("cursor") && !set.has("dead")) points.push("follow");
  for (const name of deleted) points.push(`delete ${name}`);
  return points;
}
