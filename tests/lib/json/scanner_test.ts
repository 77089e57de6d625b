import assert from "node:assert/strict";
import {
  BodyScanner,
  scanBody,
  type ScanFault,
  validateJson,
} from "../../../lib/json/scanner.ts";
import { ENVELOPE, EVENT, ROW, SpanTable } from "../../../lib/json/spans.ts";
import { jsonFixtures } from "../../fixtures/json_bodies.ts";

const encoder = new TextEncoder();

Deno.test("scanBody() appends to a table and counts faults from its own first value", () => {
  const table = new SpanTable(1);
  assert.equal(
    scanBody(encoder.encode('{"event":1}{"event":2}'), table),
    undefined,
  );
  assert.deepEqual(scanBody(encoder.encode('{"event":3} x'), table), {
    at: 12,
    index: 1,
    reason: "not a JSON value",
  });
  assert.equal(table.count, 3);
  assert.equal(table.words[2 * ROW + ENVELOPE + 1], 11);
});

Deno.test("scanBody() names what is wrong", () => {
  const faults: readonly (readonly [string, string])[] = [
    ['\ufeff{"event":1}', "a byte order mark"],
    ['{"event":"a', "unexpected end"],
    ['{"event":"\n"}', "a control character in a string"],
    ['{"event":"\\x"}', "an invalid escape"],
    ['{"event":tru}', "not a JSON value"],
    ["{1:2}", "a member's name was expected"],
    ['{"a" 1}', "a colon was expected"],
    ['{"a":{"a" 1}}', "a colon was expected"],
    ['{"a":1]', "unexpected byte"],
  ];
  for (const [text, reason] of faults) {
    assert.equal(
      scanBody(encoder.encode(text), new SpanTable())?.reason,
      reason,
    );
  }
  const bytes = Uint8Array.of(0x22, 0xc3, 0x28, 0x22);
  assert.equal(scanBody(bytes, new SpanTable())?.reason, "invalid UTF-8");
});

Deno.test("validateJson() sees each byte at each place of a string", () => {
  for (let byte = 0; byte < 256; byte++) {
    for (let place = 0; place < 9; place++) {
      const bytes = encoder.encode('{"event":"xxxxxxxxxxxxxxxx"}');
      const at = 10 + place;
      bytes[at] = byte;
      const fault = validateJson(bytes)?.at;
      if (byte === 0x22) assert.equal(fault, at + 1);
      // Behind it stands `x`, which is no escape.
      else if (byte === 0x5c) assert.equal(fault, at + 1);
      else if (byte < 0x20) assert.equal(fault, at);
      else if (byte < 0x80) assert.equal(fault, undefined);
      else assert.equal(fault, byte < 0xc2 || byte > 0xf4 ? at : at + 1);
    }
  }
});

Deno.test("scanBody() gives the same rows for a body cut at every byte and joined", () => {
  const text = jsonFixtures().filter(({ fault }) => fault === null)
    .map(({ base64 }) => atob(base64)).join("\n");
  const body = Uint8Array.from(text, (c) => c.charCodeAt(0));
  const whole = new SpanTable();
  assert.equal(scanBody(body, whole), undefined);
  assert.ok(whole.count > 20);
  const words = whole.words.slice(0, whole.count * ROW);
  const table = new SpanTable();
  for (let cut = 0; cut <= body.length; cut++) {
    // The joined body does not begin at the start of its buffer, nor at a word's border.
    const joined = new Uint8Array(body.length + 8).fill(0x22).subarray(
      cut % 8,
      cut % 8 + body.length,
    );
    joined.set(body.subarray(0, cut));
    joined.set(body.subarray(cut), cut);
    table.clear();
    assert.equal(scanBody(joined, table), undefined);
    assert.deepEqual(table.words.slice(0, table.count * ROW), words);
    // The first piece alone: the values it holds are the same, and a fault is at its end or where a word was cut.
    table.clear();
    const fault = scanBody(body.subarray(0, cut), table);
    const complete = fault === undefined ? table.count : fault.index;
    assert.equal(complete, table.count);
    if (fault !== undefined && fault.at !== cut) {
      assert.match(text.slice(fault.at, cut), /^[tfn][a-z]*$/);
    }
  }
});

Deno.test("scanBody() reads nothing beyond the end of its view", () => {
  const buffer = encoder.encode('{"event":"abcdefgh"}"}]tail');
  for (let end = 1; end < 20; end++) {
    const fault = scanBody(buffer.subarray(0, end), new SpanTable());
    assert.equal(fault?.at, end);
  }
});

Deno.test("scanBody() and validateJson() take a million nested arrays and objects", () => {
  const depth = 1_000_000;
  const arrays = new Uint8Array(2 * depth).fill(0x5b, 0, depth).fill(
    0x5d,
    depth,
  );
  assert.equal(validateJson(arrays), undefined);
  assert.equal(validateJson(arrays.subarray(0, depth))?.at, depth);
  assert.equal(
    validateJson(arrays.subarray(0, 2 * depth - 1))?.at,
    2 * depth - 1,
  );
  // Objects and arrays by turns: each level must close as it was opened.
  const mixed = encoder.encode(
    '{"a":['.repeat(depth / 2) + "]}".repeat(depth / 2),
  );
  assert.equal(validateJson(mixed), undefined);
  const wrong = mixed.slice();
  const at = mixed.length - 777_778;
  wrong[at] = wrong[at] === 0x5d ? 0x7d : 0x5d;
  assert.equal(validateJson(wrong)?.at, at);
  for (const size of [29, 30, 31, 32, 33, 61, 62, 63, 64, 93, 94]) {
    const text = encoder.encode(
      "[".repeat(size) + '{"a":[]}' + "]".repeat(size),
    );
    assert.equal(validateJson(text), undefined);
    text[size + 8] = 0x7d;
    assert.equal(validateJson(text)?.at, size + 8);
  }
  const table = new SpanTable();
  const event = encoder.encode(
    `{"event":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
  );
  assert.equal(scanBody(event, table), undefined);
  assert.equal(
    (table.words[EVENT + 1] ?? 0) - (table.words[EVENT] ?? 0),
    40_000,
  );
});

Deno.test("BodyScanner.scan() in slices of any size gives the rows and the fault of the whole", () => {
  const bodies = [
    ' {"event":1} {"event":2}{"event":3} ',
    '[{"event":1}, {"event":"\\u0041"} ,{"event":[1,\n2]}]{"event":4}[5]',
    "[[1],[2]] [] [ ] 3 [] ",
    " ",
    '[{"event":1},{"event":2},]',
    '[{"event":1},{"event":2}',
    '[{"event":1}{"event":2}]',
    '{"event":1},{"event":2}',
    '[1,2,{"event":3',
    '{"event":1}{"event":2}]',
  ];
  for (const text of bodies) {
    const bytes = encoder.encode(text);
    const whole = new SpanTable();
    const expected = scanBody(bytes, whole);
    for (const rows of [1, 2, 3]) {
      for (const limit of [1, 5, 13, Infinity]) {
        const scanner = new BodyScanner(bytes);
        const table = new SpanTable(1);
        const words: number[] = [];
        let fault: ScanFault | undefined;
        while (!scanner.isDone) {
          table.clear();
          fault = scanner.scan(table, { rows, bytes: limit });
          assert.ok(table.count <= rows);
          words.push(...table.words.subarray(0, table.count * ROW));
        }
        assert.deepEqual(fault, expected, text);
        assert.deepEqual(
          words,
          [...whole.words.subarray(0, whole.count * ROW)],
          text,
        );
      }
    }
  }
});
