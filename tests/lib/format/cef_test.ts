import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchBuffer } from "../../../lib/delivery/batch_buffer.ts";
import {
  CEF_MAX_ESCAPED,
  writeCefHeader,
  writeCefValue,
} from "../../../lib/format/cef.ts";
import {
  CefExtension,
  type CefPair,
} from "../../../lib/format/cef_extension.ts";
import { parseExtension } from "../../support/cef_text.ts";
import { testSeed } from "../../support/seed.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function batch(): BatchBuffer {
  return new BatchBuffer({ events: 1, bytes: 1e6, eventBytes: 1e6 });
}

function escaped(
  write: typeof writeCefValue,
  text: string,
  most = Infinity,
): string {
  const bytes = encoder.encode(text);
  const out = new Uint8Array(3 + CEF_MAX_ESCAPED * bytes.length);
  const end = write(bytes, 0, bytes.length, out, 3, Math.min(most, out.length));
  return decoder.decode(out.subarray(3, end));
}

Deno.test("T53 qradar: the vectors of CEF escaping, byte for byte", () => {
  for (
    const [text, header, value] of [
      ["a=b|c\\d\ne", "a=b\\|c\\\\d e", "a\\=b|c\\\\d\\ne"],
      ["Policy|DLP", "Policy\\|DLP", "Policy|DLP"],
      ["C:\\temp\\=x", "C:\\\\temp\\\\=x", "C:\\\\temp\\\\\\=x"],
      ["é", "é", "é"],
    ] as const
  ) {
    assert.equal(escaped(writeCefHeader, text), header);
    assert.equal(escaped(writeCefValue, text), value);
  }
});

Deno.test("writeCefValue() drops controls, trims spaces, keeps the rest", () => {
  assert.equal(escaped(writeCefValue, "  a\0\tb\x7f\u0085c  "), "abc");
  assert.equal(escaped(writeCefValue, "\r\n"), "\\r\\n");
  assert.equal(escaped(writeCefHeader, " a\r\nb\rc\nd "), "a b c d");
  assert.equal(escaped(writeCefValue, " \0 "), "");
  assert.equal(escaped(writeCefValue, "\u00a0𝄞\u00c2"), "\u00a0𝄞\u00c2");
});

Deno.test("writeCefValue() is never cut inside a character or an escape pair", () => {
  const text = "a\\b=é€𝄞\nz";
  const whole = escaped(writeCefValue, text);
  for (let most = 0; most <= encoder.encode(whole).length; most++) {
    const cut = escaped(writeCefValue, text, most);
    assert.ok(encoder.encode(cut).length <= most);
    assert.ok(whole.startsWith(cut));
    parseExtension(`key=x${cut}`);
  }
});

/** What CEF keeps of a text. */
function kept(text: string): string {
  // deno-lint-ignore no-control-regex -- controls are what CEF drops
  return text.replace(/[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, "")
    .replace(/^ +| +$/g, "");
}

const TEXT = fc.string({
  unit: fc.oneof(
    fc.constantFrom("\\", "=", "|", "\n", "\r", " ", "\0", "\t", "é", ","),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  ),
});

Deno.test("cef: what is written is read back, save what CEF drops", () => {
  const seed = testSeed("cef");
  fc.assert(
    fc.property(fc.array(TEXT, { minLength: 1, maxLength: 6 }), (texts) => {
      const well = texts.map((text) => text.toWellFormed());
      const pairs: CefPair[] = well.map((_, i) =>
        i % 2 === 0 ? { key: `k${i}` } : { key: `cs${i}`, label: `Label${i}` }
      );
      const extension = new CefExtension(pairs, 4096);
      const into = batch();
      into.byte(0x7c);
      extension.begin(into);
      well.forEach((text, i) => {
        const bytes = encoder.encode(`"${text}"`);
        extension.write(i, bytes, 1, bytes.length - 1, into);
      });
      assert.ok(extension.fit(8192, into));
      const expected = well.flatMap((text, i) => {
        if (kept(text) === "") return [];
        const pair = [pairs[i]?.key ?? "", kept(text)];
        return i % 2 === 0 ? [pair] : [[`cs${i}Label`, `Label${i}`], pair];
      });
      assert.deepEqual(
        parseExtension(decoder.decode(into.body().subarray(1))),
        expected,
      );
    }),
    { seed, numRuns: 500 },
  );
});

Deno.test("CefExtension.fit() leaves out in order, says so, and never exceeds its room", () => {
  const pairs: CefPair[] = [
    { key: "rt" },
    { key: "msg", drop: 1 },
    { key: "cs2", label: "Labels", drop: 2, isList: true },
    { key: "cs4", label: "Model", drop: 3 },
    { key: "cs6", flag: "cs6Label=Truncated cs6=true" },
    { key: "externalId" },
  ];
  const values = ["17", "m".repeat(50), "a\\b,c=d,é€𝄞é€𝄞é€𝄞", "gpt", "", "id"];
  const extension = new CefExtension(pairs, 4096);
  const fit = (room: number) => {
    const into = batch();
    into.byte(0x7c);
    extension.begin(into);
    values.forEach((value, i) => {
      const bytes = encoder.encode(value);
      extension.write(i, bytes, 0, bytes.length, into);
    });
    return extension.fit(room, into)
      ? decoder.decode(into.body().subarray(1))
      : undefined;
  };
  const whole = fit(400) ?? "";
  assert.ok(!whole.includes("cs6"));
  const size = encoder.encode(whole).length;
  let before = 99;
  for (let room = size; room >= 0; room--) {
    const text = fit(room);
    if (text === undefined) {
      assert.ok(
        room < "rt=17 cs6Label=Truncated cs6=true externalId=id".length,
      );
      continue;
    }
    assert.ok(encoder.encode(text).length <= room);
    const keys = parseExtension(text).map(([key]) => key);
    assert.ok(keys.length <= before + 2);
    before = keys.length;
    if (room === size) continue;
    assert.deepEqual(keys.slice(-3), ["cs6Label", "cs6", "externalId"]);
    assert.ok(!keys.includes("msg"), "msg goes first");
    if (!keys.includes("cs4")) assert.ok(!keys.includes("cs2"));
  }
  assert.match(fit(size - 45) ?? "", /cs2=a\\\\b,c\\=d cs4Label/);
});
