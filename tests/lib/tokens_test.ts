import assert from "node:assert/strict";
import { findToken, hashToken, parseTokens } from "../../lib/tokens.ts";

Deno.test("parseTokens() reads pairs; the first equals sign splits, a lone value is the default", () => {
  const { tokens, faults } = parseTokens(
    " edr=hct_a , firewall=hct_b== ,hct_c,",
  );
  assert.deepEqual(faults, []);
  assert.deepEqual(tokens.map(({ name }) => name), [
    "edr",
    "firewall",
    "default",
  ]);
  assert.equal(findToken(tokens, "hct_b==")?.name, "firewall");
  assert.equal(findToken(tokens, "hct_c")?.name, "default");
  assert.equal(findToken(tokens, "hct_d"), undefined);
  assert.equal(findToken(tokens, ""), undefined);
});

Deno.test("parseTokens() reads objects with options, by value or hash", () => {
  const { tokens, faults } = parseTokens(JSON.stringify([
    {
      name: "a",
      value: "hct_a",
      face: "ngsiem",
      query: true,
      disabled: true,
      ack: false,
      host: "h",
      source: "",
      index: "main",
      indexes: ["main", "other"],
    },
    { name: "b", sha256: "AB".repeat(32) },
  ]));
  assert.deepEqual(faults, []);
  const [a, b] = tokens;
  assert.deepEqual(a, {
    name: "a",
    hash: hashToken("hct_a"),
    face: "ngsiem",
    query: true,
    disabled: true,
    defaults: { host: "h", index: "main" },
    indexes: new Set(["main", "other"]),
  });
  assert.deepEqual([...(b?.hash ?? [])], Array(32).fill(0xab));
  assert.deepEqual([b?.query, b?.disabled, b?.face], [false, false, undefined]);
});

Deno.test("parseTokens() takes blank text for no token", () => {
  assert.deepEqual(parseTokens(" \n"), { tokens: [], faults: [] });
  assert.deepEqual(parseTokens("[]"), { tokens: [], faults: [] });
});

Deno.test("parseTokens() names every fault and repeats no value", () => {
  const secret = "hct_secret";
  const { tokens, faults } = parseTokens(JSON.stringify([
    { name: "one", value: `${secret} ` },
    { name: "two" },
    { name: "three", value: secret, sha256: "00" },
    { name: "four", sha256: secret },
    { name: "five", value: `${secret}5`, face: secret },
    { name: "six", value: `${secret}6`, query: secret },
    { name: "seven", value: `${secret}7`, [secret]: 1 },
    { name: "eight", value: `${secret}8`, host: 1 },
    { name: "nine", value: `${secret}9`, index: "x", indexes: ["y"] },
    { name: "ten", value: `${secret}10`, indexes: [] },
    { name: "a=b", value: secret },
    secret,
    { name: "good", value: secret },
    { name: "good", value: `${secret}11` },
    { name: "copy", value: secret },
  ]));
  assert.deepEqual(tokens.map(({ name }) => name), ["good"]);
  assert.equal(faults.length, 14);
  assert.ok(!faults.join().includes(secret));
  for (
    const [at, start] of [
      [0, "token one: the value has a space"],
      [1, "token two: needs exactly one of value and sha256"],
      [2, "token three: needs exactly one of value and sha256"],
      [3, "token four: sha256 is not 64 hexadecimal digits"],
      [4, "token five: face is neither splunk nor ngsiem"],
      [5, "token six: query is neither true nor false"],
      [6, "token seven: has an unknown option"],
      [7, "token eight: host is not a string"],
      [8, "token nine: index is not one of indexes"],
      [9, "token ten: indexes is not a list of names"],
      [10, "token number 11: the name must have"],
      [11, "token number 12: is not an object"],
      [12, "token good: the name is used twice"],
      [13, "token copy: another token has the same value"],
    ] as const
  ) {
    assert.ok(faults[at]?.startsWith(start), faults[at]);
  }
});

Deno.test("parseTokens() does not quote what it cannot read", () => {
  for (const text of ['["hct_secret"', '[{"value":hct_secret}]']) {
    assert.deepEqual(parseTokens(text), {
      tokens: [],
      faults: ["is not a valid JSON array"],
    });
  }
  assert.deepEqual(parseTokens("edr=").faults, [
    "token edr: the value is empty",
  ]);
  assert.deepEqual(parseTokens("a=hct_x,a=hct_y").faults, [
    "token a: the name is used twice",
  ]);
});

Deno.test("parseTokens() takes no JSON but an array for JSON, and names an option that is nearly known", () => {
  for (
    const text of ['{"name":"edr","value":"hct_a"}', '{"name":"x"}', "{", "[1"]
  ) {
    assert.deepEqual(parseTokens(text), {
      tokens: [],
      faults: ["is not a valid JSON array"],
    });
  }
  const { faults } = parseTokens(
    '[{"name":"a","value":"b","fce":"splunk","hct_secret":1}]',
    undefined,
    (given) => given === "fce" ? "face" : undefined,
  );
  assert.match(faults[0] ?? "", /^token a: .* fce; did you mean face\?$/);
  assert.doesNotMatch(faults.join(), /hct_secret/);
});
