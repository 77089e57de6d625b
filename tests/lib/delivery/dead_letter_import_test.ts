import { deepEqual } from "node:assert/strict";
import {
  linesOf,
  recordsIn,
} from "../../../lib/delivery/dead_letter_import.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const read = (
  found: Iterable<{ readonly number: number; readonly bytes: Uint8Array }>,
) =>
  [...found].map(({ number, bytes }) =>
    `${number} ${new TextDecoder().decode(bytes)}`
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
