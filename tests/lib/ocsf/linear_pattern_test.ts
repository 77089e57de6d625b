import assert from "node:assert/strict";
import fc from "fast-check";
import { LinearPattern } from "../../../lib/ocsf/linear_pattern.ts";
import { PatternFault } from "../../../lib/ocsf/pattern_program.ts";
import { MOST_WORK, Work, WorkFault } from "../../../lib/ocsf/work.ts";
import { testSeed } from "../../support/seed.ts";

const PATTERNS = [
  "abc",
  "^abc$",
  "a|b|cd",
  "(ab|a)(c|bcd)(d*)",
  "a*",
  "a+b?c{2}",
  "(?:ab){1,3}c",
  "x{0}y",
  "a{2,}",
  "[a-c]+[^d-f]",
  "[]a]",
  "[^]a]",
  "[a-]",
  "[\\d.]+\\.",
  "\\bfoo\\b",
  "\\Boo",
  ".*foo.*bar",
  "a.c",
  "(a|b)*abb",
  "^(?:GET|POST) /\\w+",
  "\\x41\\.",
  "((a*)*)*b",
  "(|a)+b",
  "é+",
  "a{,2}",
  "{",
  "$^",
  "a*?b",
];

function isIn(pattern: string, text: string): boolean {
  return new LinearPattern(pattern).isIn(text, new Work());
}

Deno.test("LinearPattern finds what JavaScript's own finds", () => {
  const seed = testSeed("LinearPattern");
  // Where the two syntaxes differ, JavaScript's spelling of the same.
  const spelt: Record<string, string> = {
    "[]a]": "[\\]a]",
    "[^]a]": "[^\\]a]",
  };
  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."abcdfoxy.-] \n1AéGET/{,2}") }),
    fc.constantFrom("abc", "GET /x", "a foo", "xfoo bar", "aabb", "A.", ""),
  );
  for (const pattern of PATTERNS) {
    const mine = new LinearPattern(pattern);
    const theirs = new RegExp(spelt[pattern] ?? pattern);
    fc.assert(
      fc.property(text, (text) => {
        assert.equal(
          mine.isIn(text, new Work()),
          theirs.test(text),
          `${pattern} ${text}`,
        );
      }),
      { seed, numRuns: 60 },
    );
  }
});

Deno.test("LinearPattern knows RE2's flags, classes and ends", () => {
  const table: [pattern: string, text: string, expected: boolean][] = [
    ["(?i)ADMIN", "the admin", true],
    ["(?i:a)B", "ab", false],
    ["(?i:a)B", "AB", true],
    ["a(?i)b|c", "C", true],
    ["a.b", "a\nb", false],
    ["(?s)a.b", "a\nb", true],
    ["^b", "a\nb", false],
    ["(?m)^b$", "a\nb\nc", true],
    ["\\Aa\\z", "a", true],
    ["\\Aa\\z", "a\n", false],
    ["(?P<name>a)(?<other>b)", "ab", true],
    ["^[[:alpha:]]+$", "abZ", true],
    ["^[[:^digit:]]+$", "ab1", false],
    ["\\p{L}", "é", true],
    ["^\\PL$", "1", true],
    ["\\p{Greek}", "α", true],
    ["^.$", "😀", true],
    ["\\x{1F600}", "😀", true],
  ];
  for (const [pattern, text, expected] of table) {
    assert.equal(isIn(pattern, text), expected, pattern);
  }
});

Deno.test("LinearPattern refuses what RE2 refuses, and what is too large", () => {
  for (
    const pattern of [
      "(",
      ")",
      "a)",
      "[a",
      "*a",
      "a**",
      "a{2}{3}",
      "(?=a)",
      "(?<!a)b",
      "(a)\\1",
      "\\q",
      "[b-a]",
      "a{2,1}",
      "a{1001}",
      "(a{1000}){1000}",
      "\\",
      "\\p{Nonsense}",
      "(".repeat(5_000),
    ]
  ) {
    assert.throws(() => new LinearPattern(pattern), PatternFault, pattern);
  }
});

Deno.test("LinearPattern: hostile texts take work that grows with their length alone", () => {
  // Backtracking takes 2^n or n^3 steps for these: it would never end.
  for (const pattern of ["^(a+)+$", "(a|a)*b", "a*a*a*b", "(?:a?){50}a{50}b"]) {
    const mine = new LinearPattern(pattern);
    const spent = [1_000, 2_000].map((length) => {
      const work = new Work(Infinity);
      assert.ok(!mine.isIn(`${"a".repeat(length)}!`, work), pattern);
      return work.spent;
    });
    const [one = 0, two = 0] = spent;
    assert.ok(two > 1.8 * one && two < 2.2 * one, `${pattern}: ${spent}`);
  }
  const work = new Work();
  const text = "a".repeat(20_000);
  assert.throws(
    () => new LinearPattern("(?:a?){500}b").isIn(text, work),
    WorkFault,
  );
  // It stops where the work is over, not at the end of the text.
  assert.ok(work.spent < 1.01 * MOST_WORK, `${work.spent}`);
});
