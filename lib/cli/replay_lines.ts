/** Replays in words, for the terminal. */

import { asObject, asText } from "../json/objects.ts";
import { counted, onOneLine } from "./words.ts";

type Json = Partial<Record<string, unknown>>;

/** "About 1,180,000 events, 98 minutes at this rate. 3 were delivered to it before and will arrive twice." */
export function estimateLine(json: Json, isAll: boolean): string {
  const { seconds } = json;
  const events = counted(Number(json["events"]), "event");
  const time = typeof seconds === "number"
    ? `${spanOf(seconds)} at this rate`
    : "as fast as the SIEM takes them";
  const had = Number(json["already_delivered"]);
  const before = had === 0
    ? ""
    : ` ${had.toLocaleString("en-US")} ${
      had === 1 ? "was" : "were"
    } delivered to it before and will ${
      isAll ? "arrive twice" : "be skipped"
    }.`;
  return `About ${events}, ${time}.${before}`;
}

function spanOf(seconds: number): string {
  if (seconds < 120) return counted(seconds, "second");
  const minutes = Math.round(seconds / 60);
  return minutes < 120
    ? counted(minutes, "minute")
    : counted(Math.round(minutes / 60), "hour");
}

/** A job and its counts on one line. */
export function jobLine(job: Json): string {
  const count = (name: string) => Number(job[name]).toLocaleString("en-US");
  const done = Number(job["total"]) - Number(job["left"]);
  const error = asObject(job["last_error"]);
  const waits = job["state"] === "running" && asText(error["message"]) !== ""
    ? ` Last fault: ${onOneLine(asText(error["message"]))}`
    : "";
  return `${asText(job["id"])} ${asText(job["state"])}: ${
    done.toLocaleString("en-US")
  } of ${count("total")} done (delivered ${count("delivered")}, again dead ${
    count("dead")
  }, filtered ${count("filtered")}, skipped ${count("skipped")}).${waits}`;
}
