import { equal } from "node:assert/strict";
import { momentOf } from "../../lib/moment.ts";

Deno.test("momentOf() reads RFC 3339 to the letter", () => {
  const at = Date.UTC(2026, 2, 13, 7, 8, 9);
  const good: readonly (readonly [string, number])[] = [
    ["2026-03-13T07:08:09Z", at],
    ["2026-03-13t07:08:09z", at],
    ["2026-03-13 07:08:09Z", at],
    ["2026-03-13T09:08:09+02:00", at],
    ["2026-03-12T23:08:09-08:00", at],
    ["2026-03-13T07:08:09.1Z", at + 100],
    ["2026-03-13T07:08:09.123999999Z", at + 123],
    ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
    ["2000-02-29T00:00:00Z", Date.UTC(2000, 1, 29)],
    ["0001-01-01T00:00:00Z", Date.parse("0001-01-01T00:00:00Z")],
  ];
  for (const [text, ms] of good) equal(momentOf(text), ms, text);
  const bad = [
    "",
    "2026-03-13",
    "2026-03-13T07:08Z",
    "2026-03-13T07:08:09",
    "2026-3-13T07:08:09Z",
    "2026-02-30T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2026-04-31T00:00:00+02:00",
    "2026-00-01T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-00T00:00:00Z",
    "2026-01-32T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T25:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-01-01T00:00:60Z",
    "2026-01-01T00:00:00+24:00",
    "2026-01-01T00:00:00+00:60",
    "2026-01-01T00:00:00.Z",
    " 2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00Z\n",
  ];
  for (const text of bad) equal(momentOf(text), undefined, text);
});

Deno.test("momentOf() takes a time without seconds where they may be left out", () => {
  const lax = { needsSeconds: false };
  equal(momentOf("2026-03-13T07:08Z", lax), Date.UTC(2026, 2, 13, 7, 8));
  equal(momentOf("2026-03-13T07:08.5Z", lax), undefined);
  equal(momentOf("2026-02-30T07:08Z", lax), undefined);
});
