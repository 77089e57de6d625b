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
