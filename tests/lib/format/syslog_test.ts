import assert from "node:assert/strict";
import {
  octetFrames,
  syslogStart,
  writeOctetCount,
  writeSyslogField,
  writeSyslogId,
} from "../../../lib/format/syslog.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder();

function written(write: (out: Uint8Array, at: number) => number): string {
  const out = new Uint8Array(600);
  return decoder.decode(out.subarray(2, write(out, 2)));
}

Deno.test("syslogStart() says priority and version", () => {
  assert.equal(syslogStart(6), "<134>1 ");
  assert.equal(syslogStart(1), "<129>1 ");
});

Deno.test("writeSyslogField() keeps printable ASCII, cuts, and is never empty", () => {
  const field = (text: string, most = 255) => {
    const bytes = encoder.encode(text);
    return written((out, at) =>
      writeSyslogField(bytes, 0, bytes.length, most, out, at)
    );
  };
  assert.equal(field("relay-01"), "relay-01 ");
  assert.equal(field("my host\n"), "my_host_ ");
  assert.equal(field("h".repeat(300)), `${"h".repeat(255)} `);
  assert.equal(field(""), "- ");
});

Deno.test("writeSyslogId() writes all of it or nothing", () => {
  const id = (text: string) => {
    const bytes = encoder.encode(text);
    return written((out, at) =>
      writeSyslogId(bytes, 0, bytes.length, 32, out, at)
    );
  };
  assert.equal(id("r".repeat(32)), `${"r".repeat(32)} `);
  assert.equal(id("r".repeat(33)), "- ");
  assert.equal(id("a b"), "- ");
  assert.equal(id("é"), "- ");
  assert.equal(id(""), "- ");
});

Deno.test("octetFrames() reads the counts that writeOctetCount() writes", () => {
  const texts = ["", "a", "é €", "12 34\n", "x".repeat(12_345)];
  const out = new Uint8Array(20_000);
  let at = 0;
  for (const text of texts) {
    const bytes = encoder.encode(text);
    at = writeOctetCount(bytes.length, out, at);
    out.set(bytes, at);
    at += bytes.length;
  }
  const found = [...octetFrames(out.subarray(0, at))].map((bytes) =>
    decoder.decode(bytes)
  );
  assert.deepEqual(found, texts);
});
