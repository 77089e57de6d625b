import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { isEmail, isHostname, isIp, isMac } from "../../../lib/ocsf/shapes.ts";
import { testSeed } from "../../support/seed.ts";
import { needsTestData } from "../../support/test_data.ts";

/** The patterns of the schema's types, by the type's name. */
function readPatterns(directory: string): Map<string, RegExp> {
  const patterns = new Map<string, RegExp>();
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if ("$comment" in value && "pattern" in value) {
      patterns.set(
        String(value.$comment),
        new RegExp(String(value.pattern), "u"),
      );
    }
    Object.values(value).forEach(walk);
  };
  walk(JSON.parse(Deno.readTextFileSync(
    join(directory, "ocsf-1.1.0", "strict", "api_activity.schema.json"),
  )));
  return patterns;
}

type Shape = (bytes: Uint8Array, start: number, end: number) => boolean;

function has(shape: Shape, text: string): boolean {
  const bytes = new TextEncoder().encode(`x${text}1`);
  return shape(bytes, 1, bytes.length - 1);
}

needsTestData(
  "isIp() and its like take nothing that the schema's patterns refuse",
  (directory) => {
    const patterns = readPatterns(directory);
    const seed = testSeed("shapes");
    for (
      const [type, letters, shape] of [
        ["ip_t", "01259:.af", (text: string) => has(isIp, text)],
        ["hostname_t", "a0-._Z", (text: string) => has(isHostname, text)],
        ["mac_t", "0aF:-", (text: string) => has(isMac, text)],
        ["email_t", "a0@.-_+é", isEmail],
      ] as const
    ) {
      const pattern = patterns.get(type);
      // mac_t is not in every class.
      if (pattern === undefined) continue;
      fc.assert(
        fc.property(
          fc.string({ unit: fc.constantFrom(...letters), maxLength: 24 }),
          (text) => !shape(text) || pattern.test(text),
        ),
        { seed, numRuns: 5_000 },
      );
    }
    assert.ok(patterns.size >= 4);
  },
);

Deno.test("isIp() knows addresses", () => {
  for (
    const text of [
      "1.2.3.4",
      "255.255.255.255",
      "::",
      "::1",
      "fe80::9582:39e0:356b:ef4e",
      "::ffff:172.18.39.6",
      "1:2:3:4:5:6:7:8",
      "1:2:3:4:5:6:7::",
      "1:2:3:4:5:6:1.2.3.4",
    ]
  ) assert.ok(has(isIp, text), text);
  for (
    const text of [
      "",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "01.2.3.4",
      ":",
      ":::",
      "1::2::3",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8::",
      "12345::",
      "1.2.3.4::",
      "::1%eth0",
      "1:",
      ":1",
    ]
  ) assert.ok(!has(isIp, text), text);
});

Deno.test("isHostname(), isMac() and isEmail() know theirs", () => {
  for (const text of ["a", "web-1", "a.b--c.example", "XN--BCHER-KVA.ch"]) {
    assert.ok(has(isHostname, text), text);
  }
  for (const text of ["", "-a", "a-", "a.", ".a", "a..b", "a_b", "a.-b", "é"]) {
    assert.ok(!has(isHostname, text), text);
  }
  assert.ok(has(isMac, "00:0d:3A-13:e3:69"));
  assert.ok(!has(isMac, "00:0d:3A:13:e3:6"));
  assert.ok(!has(isMac, "000d3A13e369"));
  assert.ok(isEmail("a.b+c@example.co.uk"));
  assert.ok(!isEmail("a@b") && !isEmail("a b@c.d") && !isEmail("@c.d"));
});
