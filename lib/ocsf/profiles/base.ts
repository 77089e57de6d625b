/** Any event of which no profile is: a Base Event, with what is commonly called a time, a severity and a message. */

import { always, choose, firstOf } from "../choices.ts";
import { either, envelopeSource, envelopeSourcetype, text } from "../leaves.ts";
import type { Profile } from "../profile.ts";
import { firstLine } from "../text_parts.ts";
import { severityWord, unknown } from "./words.ts";

/** PRI is facility × 8 + severity; severities as `destinations.md` §12.3 has them, the other way round. */
const SEVERITY_OF_PRI = Object.fromEntries(
  Array.from(
    { length: 192 },
    (_, pri) => [String(pri), [6, 6, 5, 4, 3, 2, 1, 1][pri % 8] ?? 1],
  ),
);

/** What is called so in events of many sources. Its value has to be a time, too. */
const TIMES = [
  "timestamp",
  "@timestamp",
  "time",
  "eventTime",
  "event_time",
  "EventTime",
  "ts",
  "published",
  "created_at",
  "createdAt",
  "createdDateTime",
  "CreationTime",
  "activityDateTime",
  "requestReceivedTimestamp",
  "TimeCreated",
  "UpdatedAt",
  "id.time",
  "date",
  "datetime",
  "eventTimestamp",
  "event_timestamp",
  "Timestamp",
  "TimeGenerated",
  "creationtime",
  "ActivityDateTime",
  "event.timestamp",
  "event.created_at",
  "event.time",
  "event.eventTime",
  "event.isotimestamp",
  "cef.rt",
  "syslog.time",
];

/** CEF's 0 … 10 by its bands, 0 apart. LEEF has none in its header. */
const CEF_SEVERITIES = {
  0: 1,
  1: 2,
  2: 2,
  3: 2,
  4: 3,
  5: 3,
  6: 3,
  7: 4,
  8: 4,
  9: 5,
  10: 5,
  Low: 2,
  Medium: 3,
  High: 4,
  "Very-High": 5,
};

export const base: Profile = {
  name: "base",
  when: [],
  product: {
    vendor_name: either(text("cef.vendor", "leef.vendor"), unknown),
    name: either(
      text("cef.product", "leef.product"),
      envelopeSourcetype,
      text("syslog.app"),
      envelopeSource,
      unknown,
    ),
    version: text("cef.release", "leef.release"),
  },
  classUid: 0,
  activity: always(0),
  severity: firstOf(
    choose("cef.severity", CEF_SEVERITIES),
    severityWord("severity", "Severity", "severity_name", "Severity.Label"),
    severityWord("level", "log_level", "log\\.level", "log.level", "Level"),
    choose("syslog.pri", SEVERITY_OF_PRI),
  ),
  time: TIMES,
  message: firstLine(
    "message",
    "msg",
    "Message",
    "displayMessage",
    "cef.name",
    "text",
  ),
  metadata: { event_code: text("cef.code", "leef.code") },
};
