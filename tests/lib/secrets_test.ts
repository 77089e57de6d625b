import assert from "node:assert/strict";
import { masked, redactor } from "../../lib/secrets.ts";

const SECRET = 'p/w+"0123=é?';

Deno.test("redactor() blanks a secret plain, in JSON, URL-encoded and in Base64", () => {
  const redact = redactor([SECRET, "hct_0123456789"]);
  const base64 = (text: string) => new TextEncoder().encode(text).toBase64();
  for (
    const text of [
      SECRET,
      JSON.stringify({ token: SECRET }),
      encodeURIComponent(SECRET),
      new URLSearchParams({ token: SECRET }).toString(),
      "Authorization: Splunk hct_0123456789",
    ]
  ) {
    const clean = redact(`before ${text} after`);
    assert.match(clean, /^before .*\[secret\].* after$/);
    assert.ok(!clean.includes("0123"), clean);
  }
  for (const user of ["", "x:", "ab:", "abc:"]) {
    const header = base64(`${user}hct_0123456789`);
    assert.match(redact(`Basic ${header}`), /\[secret\]/);
  }
});

Deno.test("redactor() leaves the rest alone, blanks the longest first, ignores very short ones", () => {
  assert.equal(redactor([])("a"), "a");
  assert.equal(redactor(["abc", ""])("abc abc"), "abc abc");
  assert.equal(
    redactor(["token", "token-long"])("x token-long y"),
    "x [secret] y",
  );
});

Deno.test("redactor() knows the code of a secret address alone, and masked() shows host and last four", () => {
  const address = "https://c.example.com/receiver/v1/http/ZaVn/C4dh%2Bw==";
  const redact = redactor([address]);
  const cases = [
    [`POST ${address} failed`, "POST [secret] failed"],
    ["code C4dh%2Bw== is wrong", "code [secret] is wrong"],
    ["code C4dh+w== is wrong", "code [secret] is wrong"],
    ["/receiver/v1/http/", "/receiver/v1/http/"],
    ["host c.example.com", "host c.example.com"],
  ];
  for (const [text = "", clean] of cases) assert.equal(redact(text), clean);
  assert.equal(redactor(["https://%"])("https://%x"), "[secret]x");
  assert.equal(redactor(["http://h/%zz00"])("a %zz00"), "a [secret]");
  assert.equal(masked(address), "https://c.example.com/…Bw==");
  assert.equal(masked("hct_0123456789"), "********");
});

/** A text with each character that is no ASCII letter or digit written in one way. */
function written(text: string, way: (character: string) => string): string {
  return text.replace(/[^0-9A-Za-z]/gu, way);
}

const hexOf = (character: string, digits: number) =>
  (character.codePointAt(0) ?? 0).toString(16).padStart(digits, "0");
const unitsOf = (character: string) =>
  Array.from(character.split(""), (unit) => `\\u${hexOf(unit, 4)}`).join("");
const percentOf = (character: string) =>
  [...new TextEncoder().encode(character)]
    .map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
const JSON_SLASHED = (text: string) =>
  JSON.stringify(text).slice(1, -1).replaceAll("/", "\\/");

const WAYS: Readonly<Record<string, (text: string) => string>> = {
  "percent, lower case": (text) => written(text, percentOf),
  "percent, upper case": (text) =>
    written(text, (one) => percentOf(one).toUpperCase()),
  "percent twice": (text) => encodeURIComponent(encodeURIComponent(text)),
  "JSON by PHP": JSON_SLASHED,
  "JSON by System.Text.Json": (text) =>
    written(text, (one) => unitsOf(one).toUpperCase().replaceAll("U", "u")),
  "JSON, lower case": (text) => written(text, unitsOf),
  "JSON in JSON": (text) => JSON_SLASHED(JSON_SLASHED(text)),
  "JavaScript": (text) =>
    written(
      text,
      (one) => one < "\u0100" ? `\\x${hexOf(one, 2)}` : unitsOf(one),
    ),
  "HTML, hex": (text) =>
    written(text, (one) => `&#x${hexOf(one, 1).toUpperCase()};`),
  "HTML, hex with zeros": (text) =>
    written(text, (one) => `&#x${hexOf(one, 4)};`),
  "HTML, decimal": (text) => written(text, (one) => `&#${one.codePointAt(0)};`),
  "HTML, names": (text) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;").replaceAll('"', "&quot;")
      .replaceAll("'", "&apos;"),
  "form": (text) => new URLSearchParams({ t: text }).toString().slice(2),
  "plain": (text) => text,
};

for (const [way, write] of Object.entries(WAYS)) {
  Deno.test(`redactor() blanks a secret in the way of ${way}`, () => {
    for (
      const secret of [
        "Ab+cd/ef==gh",
        SECRET,
        "a\\b\\\\/c\"d'e<f>g&h i",
        "+/=?",
        "über\u{1f600}%25x",
        "-----BEGIN KEY-----\nAb+/\r\ncd==\n-----END KEY-----\n",
        '{"a":"b\\"","c":"\\\\"}',
      ]
    ) {
      const redact = redactor([secret]);
      assert.equal(
        redact(`bad ${write(secret)}.`),
        "bad [secret].",
        write(secret),
      );
    }
  });
}

Deno.test("redactor() looks through texts made against it in one pass", () => {
  const secrets = [
    "\\".repeat(64) + "x",
    '\\"'.repeat(64) + "x",
    "%25".repeat(64) + "x",
    "&amp;#38;".repeat(32) + "x",
    "\\u005c".repeat(32) + "x",
    "+/".repeat(64) + "x",
  ];
  const redact = redactor(secrets);
  const text = secrets.flatMap((secret) =>
    Object.values(WAYS).map((write) => write(secret.slice(0, -1)) + "y")
  ).join("");
  const start = performance.now();
  assert.equal(redact(text), text);
  const ms = performance.now() - start;
  // Some milliseconds; a pattern with many ways through would never end.
  assert.ok(ms < 2_000, `${ms} ms for ${text.length} characters`);
});

Deno.test("redactor() leaves words alone that only look like a secret", () => {
  const redact = redactor(["a+b", "Ab+cd/ef==gh", "a b c"]);
  for (
    const text of ["a+b", "a%2bb", "Ab cd ef gh", "abc", "Ab-cd/ef==gh", ""]
  ) assert.equal(redact(text), text);
});
