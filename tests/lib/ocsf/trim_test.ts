import assert from "node:assert/strict";
import fc from "fast-check";
import { trimEvent, trimText } from "../../../lib/ocsf/trim.ts";
import { STRING_TEXT, VALUE_TEXT } from "../../support/json_text.ts";
import { testSeed } from "../../support/seed.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** The event trimmed, with other bytes around it. */
function trimmed(
  text: string,
  limit: number,
  trim: typeof trimEvent = trimEvent,
): string | undefined {
  const bytes = encoder.encode(`{"x":${text}}`);
  const left = trim(bytes, 5, bytes.length - 1, limit);
  if (left === undefined) return undefined;
  assert.ok(left.length <= limit, `${left.length} > ${limit}`);
  return decoder.decode(left);
}

const MARK = /"hecate_truncated":true,"hecate_original_length":\d+/;

function mark(text: string): string {
  return `"hecate_truncated":true,"hecate_original_length":${
    encoder.encode(text).length
  }`;
}

const long = (letter: string, count = 200) => letter.repeat(count);

Deno.test("trimEvent() leaves what fits as it is", () => {
  for (const text of ['{"raw_data":"x" }', "[1]", '"é"', "17"]) {
    assert.equal(trimmed(text, encoder.encode(text).length), text);
  }
});

Deno.test("trimEvent() takes raw_data first, then enrichments, and says so under unmapped", () => {
  const text = `{"n":9007199254740993,"raw_data":"${
    long("r")
  }", "e":1.0,"enrichments":[{"name":"${long("e")}"}],"unmapped":{ "a":"${
    long("u")
  }" },"d":"\\u00e9","d":"\\/"}`;
  const unmapped = `"unmapped":{ "a":"${long("u")}" ,${mark(text)}}`;
  assert.equal(
    trimmed(text, text.length - 100),
    `{"n":9007199254740993, "e":1.0,"enrichments":[{"name":"${
      long("e")
    }"}],${unmapped},"d":"\\u00e9","d":"\\/"}`,
  );
  assert.equal(
    trimmed(text, text.length - 300),
    `{"n":9007199254740993, "e":1.0,${unmapped},"d":"\\u00e9","d":"\\/"}`,
  );
});

Deno.test("trimEvent() cuts the longest strings under unmapped, then those of the rest", () => {
  const text = `{"message":"${long("m")}","unmapped":{"a":["${
    long("a")
  }",{"b":"${long("b", 100)}"}],"c":"short"},"status":"ok"}`;
  const some = trimmed(text, text.length + 60 - 130) ?? "";
  const { message, unmapped, status } = JSON.parse(some);
  assert.equal(message, long("m"), "the rest was not needed");
  assert.equal(status, "ok");
  assert.equal(unmapped.c, "short");
  assert.equal(unmapped.a[0].length, unmapped.a[1].b.length);
  assert.ok(some.length > text.length + 60 - 140, "more than needed went");
  const more = JSON.parse(trimmed(text, 200) ?? "");
  assert.deepEqual(more.unmapped.a, ["", { b: "" }]);
  assert.equal(more.status, "ok");
  assert.match(more.message, /^m{40,}$/);
});

Deno.test("trimEvent() adds unmapped where there is none, and stands beside one that is no object", () => {
  const cases = [
    [
      `{"raw_data":"${long("r")}"}`,
      (marked: string) => `{"unmapped":{${marked}}}`,
    ],
    [
      `{"raw_data":"${long("r")}","unmapped":{}}`,
      (marked: string) => `{"unmapped":{${marked}}}`,
    ],
    [
      `{"a":1,"raw_data":"${long("r")}"}`,
      (marked: string) => `{"a":1,"unmapped":{${marked}}}`,
    ],
    [
      `{"unmapped":null,"raw_data":"${long("r")}"}`,
      (marked: string) => `{"unmapped":null,${marked}}`,
    ],
    [
      `{"unmapped":{"x":1},"raw_data":"${long("r")}","unmapped":{"y":2} }`,
      (marked: string) => `{"unmapped":{"x":1},"unmapped":{"y":2,${marked}} }`,
    ],
    [
      `{"raw_data":"${
        long("r")
      }","unmapped":{"hecate_truncated":true,"hecate_original_length":900,"y":2}}`,
      (marked: string) => `{"unmapped":{"y":2,${marked}}}`,
    ],
  ] as const;
  for (const [text, expected] of cases) {
    assert.equal(trimmed(text, 150), expected(mark(text)));
  }
});

Deno.test("trimEvent() cuts between characters, escapes and surrogate pairs", () => {
  const unit =
    '\\ud83d\\ude00é𝄞\\\\\\"\\u00e9\\n日\\uD800x\\udc00\\uDBFF\\uDFFF';
  const text = `{"a":"${unit.repeat(30)}"}`;
  const full = JSON.parse(text).a;
  for (let limit = 150; limit < 290; limit++) {
    const { a } = JSON.parse(trimmed(text, limit) ?? "");
    assert.ok(full.startsWith(a));
    const last = a.charCodeAt(a.length - 1), next = full.charCodeAt(a.length);
    const inPair = last >= 0xd800 && last < 0xdc00 && next >= 0xdc00 &&
      next < 0xe000;
    assert.ok(!inPair, "between the halves of a pair");
  }
});

Deno.test("trimEvent() marks arrays with an element and strings in words; numbers do not get shorter", () => {
  const list = `[1.0,"${long("a")}",{"raw_data":"b"}]`;
  assert.match(
    trimmed(list, 120) ?? "",
    /^\[1\.0,"a+",\{"raw_data":"b"\},\{"hecate_truncated":true,"hecate_original_length":225\}\]$/,
  );
  const text = `"${long("é")}"`;
  assert.match(
    trimmed(text, 100) ?? "",
    /^"é{20,} \[hecate_truncated, hecate_original_length 402\]"$/,
  );
  assert.equal(trimmed("1".repeat(200), 100), undefined);
  assert.equal(trimmed(`{"${long("a")}":1}`, 100), undefined);
  assert.equal(trimmed(text, 20), undefined);
});

Deno.test("trimText() cuts a line between characters", () => {
  const line = "é𝄞a日".repeat(30);
  for (let limit = 60; limit < 90; limit++) {
    const text = trimmed(line, limit, trimText) ?? "";
    const [, kept = ""] =
      /^(.*) \[hecate_truncated, hecate_original_length 300\]$/.exec(text) ??
        [];
    assert.ok(line.startsWith(kept) && kept !== "", text);
    assert.ok(encoder.encode(text).length > limit - 4, "more than needed went");
  }
  assert.equal(trimmed("short", 5, trimText), "short");
  assert.equal(trimmed(line, 10, trimText), undefined);
  const broken = new Uint8Array(200).fill(0xbf);
  assert.equal(trimText(broken, 0, 200, 100)?.length, 100);
});

/** Whether `left` is `whole` with strings cut. */
function isCutOf(left: unknown, whole: unknown): boolean {
  if (typeof left === "string" && typeof whole === "string") {
    return whole.startsWith(left);
  }
  if (
    typeof left !== "object" || typeof whole !== "object" || left === null ||
    whole === null
  ) return Object.is(left, whole);
  const all = Object.entries(left), wanted = new Map(Object.entries(whole));
  return all.length === wanted.size &&
    all.every(([name, value]) =>
      wanted.has(name) && isCutOf(value, wanted.get(name))
    );
}

Deno.test("trimEvent() keeps within any limit, is JSON, marked, and changes strings alone", () => {
  const seed = testSeed("trimEvent()");
  const value = fc.oneof(
    VALUE_TEXT,
    fc.tuple(STRING_TEXT, fc.nat(40)).map(([text, times]) =>
      `"${text.slice(1, -1).repeat(times)}"`
    ),
    fc.constantFrom("1e400", "9007199254740993"),
  );
  const member = fc.tuple(
    fc.oneof(
      fc.constantFrom(
        '"raw_data"',
        '"enrichments"',
        '"unmapped"',
        '"unm\\u0061pped"',
        '"message"',
      ),
      STRING_TEXT,
    ),
    value,
  ).map(([name, value]) => `${name}:${value}`);
  const share = fc.integer({ min: -20, max: 100 });
  let fitted = 0;
  fc.assert(
    fc.property(fc.array(member, { maxLength: 8 }), share, (members, part) => {
      const text = `{${members.join(" , ")}}`;
      const length = encoder.encode(text).length;
      // What is certainly enough: every string empty, and the mark.
      const empty = text.replace(
        /"(?:[^"\\]|\\.)*"(\s*:)?/g,
        (literal, colon) => colon === undefined ? '""' : literal,
      );
      const enough = encoder.encode(empty).length + mark(text).length + 14;
      const span = Math.max(length - enough, 100);
      const limit = Math.max(enough + Math.floor(span * part / 100), 0);
      const left = trimmed(text, limit);
      if (left === undefined) {
        assert.ok(limit < enough, "it could have been made to fit");
        return;
      }
      fitted++;
      if (left === text) return;
      assert.match(left, MARK);
      const before = JSON.parse(text), after = JSON.parse(left);
      const isObject = typeof after.unmapped === "object" &&
        after.unmapped !== null && !Array.isArray(after.unmapped);
      const holder = isObject ? after.unmapped : after;
      assert.ok(holder.hecate_truncated === true);
      assert.equal(holder.hecate_original_length, length);
      delete holder.hecate_truncated;
      delete holder.hecate_original_length;
      if (before.unmapped === undefined) delete after.unmapped;
      delete before.raw_data;
      if (after.enrichments === undefined) delete before.enrichments;
      assert.ok(isCutOf(after, before), `${left}\n${text}`);
    }),
    { seed, numRuns: 3_000 },
  );
  assert.ok(fitted > 500, `only ${fitted} fitted`);
});

Deno.test("trimEvent() is done with 700 KB of hostile text in a moment", () => {
  const size = 700_000;
  const fill = (unit: string) =>
    Array(Math.floor(size / (unit.length + 1))).fill(unit).join(",");
  const texts = [
    `{"unmapped":{"a":[${fill('""')}]}}`,
    `{"unmapped":[${fill('"abcdefgh"')}],"b":[${fill('"\\u0000"')}]}`,
    `{${fill('"unmapped":"ab"')}}`,
    `{${fill('"raw_data":1')}}`,
    `{${fill('"\\u0061":{}')}}`,
    `{"a":${"[".repeat(size / 2)}${"]".repeat(size / 2)}}`,
    `{"a":"${"\\\\".repeat(size / 2)}"}`,
    `{"a":"${"\\ud83d\\ude00".repeat(size / 12)}"}`,
  ];
  for (const text of texts) {
    const began = performance.now();
    trimmed(text, 64_000);
    const took = performance.now() - began;
    assert.ok(took < 1_000, `${text.slice(0, 30)}: ${took} ms`);
  }
});
