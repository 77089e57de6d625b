import { deepEqual, equal, ok } from "node:assert/strict";
import {
  linesOf,
  type NumberedRecord,
  readRecord,
  recordsIn,
} from "../../../lib/delivery/dead_letter_import.ts";
import { redactor } from "../../../lib/secrets.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const read = (found: Iterable<NumberedRecord | undefined>) =>
  [...found].flatMap((one) =>
    one === undefined
      ? []
      : [`${one.number} ${new TextDecoder().decode(one.bytes)}`]
  );

Deno.test("linesOf() numbers lines from 1 and leaves blank ones out", () => {
  deepEqual(read(linesOf(bytes('\n{"a":1}\r\n \t\n[]'))), [
    '2 {"a":1}\r',
    "4 []",
  ]);
  deepEqual(read(linesOf(bytes(""))), []);
});

Deno.test("recordsIn() finds one record, an array, printed ones and lines", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["", []],
    [" \n ", []],
    ['{"a":1}', ['1 {"a":1}']],
    ['[{"a":1}, {"b":[2]}]', ['1 {"a":1}', '2 {"b":[2]}']],
    ["\n[\n{},\n{}\n]\n", ["1 {}", "2 {}"]],
    ["[]", []],
    ['{\n"a":1\n}\n{"b":2}', ['1 {\n"a":1\n}', '2 {"b":2}']],
    // A wrong line stands alone.
    ['{"a":1}\nnonsense\n{"b":2}', ['1 {"a":1}', "2 nonsense", '3 {"b":2}']],
    ['nonsense\n{"b":2}', ["1 nonsense", '2 {"b":2}']],
    ['[{"a":1},', ['1 [{"a":1},']],
  ];
  for (const [text, expected] of cases) {
    deepEqual(read(recordsIn(bytes(text))), expected, text);
  }
});

Deno.test("linesOf() and recordsIn() say now and then that they are still at work", () => {
  const breaths = (found: Iterable<unknown>) =>
    [...found].filter((one) => one === undefined).length;
  equal(breaths(linesOf(bytes(" \n".repeat(1_500_000)))), 2);
  ok(breaths(recordsIn(bytes(`[${"{},".repeat(20_000)}{}]`))) >= 4);
});

Deno.test("recordsIn() of more values than a slice holds finds each once", () => {
  for (const [first, between, last] of [["[", ",", "]"], ["", "", ""]]) {
    const values = Array.from({ length: 10_000 }, (_, n) => `{"n":${n}}`);
    const text = `${first}${values.join(between)}${last}`;
    deepEqual(
      read(recordsIn(bytes(text))),
      values.map((value, n) => `${n + 1} ${value}`),
    );
  }
});

Deno.test("readRecord() reads no line that is larger than any record", () => {
  const line = bytes(`"${"x".repeat(4 * 716_800)}"`);
  deepEqual(readRecord(line, new Set(), (text) => text), {
    fault: "It has more than 2867200 bytes.",
  });
});

Deno.test("readRecord() blanks secrets in the error, also where it is cut", () => {
  const line = bytes(JSON.stringify({
    timestamp: "2026-03-13T00:00:00Z",
    connector: "a",
    error: `${"x".repeat(1_995)}hct_0123456789`,
    event: {},
  }));
  const redact = redactor(["hct_0123456789"]);
  const read = readRecord(line, new Set(["a"]), redact);
  ok("letter" in read);
  equal(read.letter.error, `${"x".repeat(1_995)}[secr`);
});
