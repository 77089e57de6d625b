import assert from "node:assert/strict";
import {
  readDuration,
  readSize,
  readSwitch,
} from "../../../lib/config/quantities.ts";
import { editDistance, nearest } from "../../../lib/config/nearest.ts";

Deno.test("readDuration() reads the grammar and nothing else", () => {
  for (
    const [text, ms] of [
      ["500ms", 500],
      ["2s", 2000],
      ["5m", 300_000],
      ["24h", 86_400_000],
      ["30", 30_000],
      ["1.5s", 1500],
      [" 2 S ", 2000],
      ["0", 0],
      ["2d", undefined],
      ["-1s", undefined],
      ["1e3", undefined],
      ["", undefined],
      ["s", undefined],
      ["constructor", undefined],
      ["1constructor", undefined],
      ["99999999999999999h", undefined],
    ] as const
  ) assert.equal(readDuration(text), ms, text);
});

Deno.test("readSize() reads decimal and binary units", () => {
  for (
    const [text, bytes] of [
      ["64KiB", 65_536],
      ["5MB", 5_000_000],
      ["700KiB", 716_800],
      ["1GiB", 1_073_741_824],
      ["1024", 1024],
      ["10b", 10],
      ["5 mb", 5_000_000],
      ["5XB", undefined],
      ["0x10", undefined],
    ] as const
  ) assert.equal(readSize(text), bytes, text);
});

Deno.test("readSwitch() takes four spellings of each", () => {
  for (const text of ["true", "YES", "on", "1"]) assert.ok(readSwitch(text));
  for (const text of ["false", "No", "off", "0"]) {
    assert.ok(readSwitch(text) === false);
  }
  for (const text of ["", "2", "ja", "constructor"]) {
    assert.equal(readSwitch(text), undefined);
  }
});

Deno.test("nearest() finds what was meant, or nothing", () => {
  assert.equal(editDistance("PROT", "PORT"), 1);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("kitten", "sitting"), 3);
  const names = ["HECATE_PORT", "HECATE_HOST", "HECATE_HOSTNAME"];
  assert.equal(nearest("HECATE_PROT", names), "HECATE_PORT");
  assert.equal(nearest("HECATE_HOSTNAM", names), "HECATE_HOSTNAME");
  assert.equal(nearest("SOMETHING_ELSE_ALTOGETHER", names), undefined);
});
