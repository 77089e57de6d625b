import assert from "node:assert/strict";
import { EventView } from "../../../lib/event.ts";
import { checkWhen, compileWhen, WhenFault } from "../../../lib/ocsf/when.ts";
import { MOST_WORK, Work } from "../../../lib/ocsf/work.ts";
import { madeSegment } from "../../support/made_segment.ts";

let made = 0;

function viewOf(event: string): EventView {
  const segment = madeSegment({ number: 1_000 + made++, events: [event] });
  return new EventView().at(segment, 0);
}

/** true, false, or why it failed. */
function answer(expression: string, event: string): boolean | string {
  try {
    return compileWhen(expression)(viewOf(event));
  } catch (cause) {
    assert.ok(cause instanceof WhenFault, String(cause));
    return cause.message;
  }
}

const EVENT = `{
  "severity_id": 4, "severity": "High", "class_uid": 2004, "score": 7.5, "one": 1.0,
  "big": 9007199254740993, "int64": 9223372036854775807, "uint64": 18446744073709551615,
  "is_alert": true, "nothing": null, "empty": {}, "text": "caf\\u00e9 \\"x\\"",
  "actor": {"user": {"name": "root", "groups": [{"name": "wheel"}, {"name": "adm"}]}},
  "resources": [{"name": "a", "labels": ["x", "y"]}, {"name": "b", "labels": []}],
  "ports": [22, 443, 9007199254740993],
  "__proto__": "p", "twice": 1, "twice": 2
}`;

Deno.test("compileWhen() judges an event by what it names", () => {
  const table: [expression: string, expected: boolean][] = [
    ["event.severity_id >= 4", true],
    ["event.severity_id > 4", false],
    ["event.severity_id >= 4 && event.class_uid in [2004, 3002]", true],
    ["event.severity_id + 1 == 5", true],
    ["event.score > 7 && event.score < 8", true],
    ["event.one == 1", true],
    ['event.severity == "High"', true],
    ["event.is_alert", true],
    ["!event.is_alert", false],
    ["event.nothing == null", true],
    ['event.text == "café \\"x\\""', true],
    ['event.text.startsWith("caf") && event.text.contains("x")', true],
    ['event.actor.user.name == "root"', true],
    ['event["actor"].user.name == "root"', true],
    ["has(event.actor.user.name) && !has(event.actor.user.uid)", true],
    ["has(event.nope)", false],
    ["has(event.empty.x)", false],
    ["size(event.empty) == 0", true],
    ['event.resources.exists(r, r.name == "b")', true],
    ['event.resources.exists(r, r.labels.exists(l, l == "y"))', true],
    ['event.resources[0].name == "a"', true],
    ["event.ports.all(p, p > 0)", true],
    ["443 in event.ports", true],
    ['"severity" in event && size(event) > 10', true],
    ['event.?nope.orValue("x") == "x"', true],
    ["event.twice == 2", true],
    ['event.actor.user.groups.map(g, g.name) == ["wheel", "adm"]', true],
    ['event.text.matches("^caf.*x")', true],
    ['event.text.matches("(?i)CAF")', true],
    ['event.actor.user.groups.exists(g, g.name.matches("^w"))', true],
    ["has(event.actor) && has(event.actor.user)", true],
  ];
  for (const [expression, expected] of table) {
    assert.equal(checkWhen(expression), undefined, expression);
    assert.equal(answer(expression, EVENT), expected, expression);
  }
});

Deno.test("compileWhen() reads whole numbers digit by digit", () => {
  for (
    const expression of [
      "event.big == 9007199254740993",
      "event.big != 9007199254740992",
      "event.int64 == 9223372036854775807",
      "event.uint64 == 18446744073709551615u",
      "event.uint64 > 18446744073709551614u",
      "9007199254740993 in event.ports",
      "!(9007199254740992 in event.ports)",
    ]
  ) {
    assert.deepEqual([expression, answer(expression, EVENT)], [
      expression,
      true,
    ]);
  }
  // Not wrong silently: an error, which lets the event pass.
  assert.match(String(answer("event.uint64 + 1 > 5", EVENT)), /overflow/);
});

Deno.test("compileWhen() answers alike whether it reads fields or the whole event", () => {
  const paths = [
    "severity_id",
    "actor",
    "actor.user",
    "actor.user.name",
    "actor.user.name.x",
    "actor.x.y",
    "nothing.x",
    "empty.x.y",
    "resources.name",
    "nope.x",
  ];
  for (const path of paths) {
    for (const form of [`has(event.${path})`, `event.${path} == 4`]) {
      // Never true, but all of the event is read for it.
      const whole = `${form} || size(event) == 0`;
      const plain = answer(form, EVENT), other = answer(whole, EVENT);
      const code = (one: boolean | string) =>
        typeof one === "string" ? one.replace(/ \(.*/, "") : one;
      assert.equal(code(plain), code(other), form);
    }
  }
});

Deno.test("compileWhen() fails for an event without telling anything of it", () => {
  const event =
    '{"name":"secret-value","n":"secret-value","l":["secret-value"]}';
  const table: [expression: string, why: RegExp][] = [
    ["event.nope == 1", /^no such key \(character 7 of the expression\)\.$/],
    ["event.nope.x == 1", /^no such key/],
    ["event.name > 4", /^no such overload/],
    ["int(event.n) > 1", /^int conversion error/],
    ["duration(event.name) > duration('1s')", /^invalid duration/],
    ["event[event.name] == 1", /^no such key/],
    ["event.name", /neither true nor false/],
  ];
  for (const [expression, why] of table) {
    const message = String(answer(expression, event));
    assert.match(message, why, expression);
    assert.doesNotMatch(message, /secret/, expression);
  }
});

Deno.test("checkWhen() tells what is no expression, and what never answers true or false", () => {
  const table: [expression: string, sentence: RegExp][] = [
    ["event.severity_id >=", /^Unexpected token: EOF \(character 21 /],
    ["severity_id >= 4", /^Unknown variable: severity_id \(character 1 /],
    ["1 + 2", /^It must be true or false, not int\.$/],
    ['"high"', /not string\.$/],
    ["event.l.map(x, x)", /not list/],
    ["1 + 'a' == 2", /^no such overload: int \+ string/],
    ["event.x.nope()", /nope/],
    ["event.x.matches('(')", /^matches\(\): /],
    ["event.x.matches('(?=a)b')", /^matches\(\): /],
    ["event.x.matches(event.y)", /^matches\(\) takes its pattern as text/],
    [
      "event.a.exists(x, x.b.exists(y, y.c.exists(z, z)))",
      /^Macros .* nested once/,
    ],
    ["(".repeat(5_000), /./],
    ["event.a == 1" + " || event.a == 1".repeat(60_000), /./],
  ];
  for (const [expression, sentence] of table) {
    assert.match(
      checkWhen(expression) ?? "",
      sentence,
      expression.slice(0, 50),
    );
  }
});

const HOSTILE: [expression: string, event: Record<string, unknown>][] = [
  [
    'event.l.exists(x, event.t.matches("(a|b|c)+d"))',
    { l: ones(2_000), t: "a".repeat(100_000) },
  ],
  [
    "event.a.exists(x, event.b.exists(y, x == y))",
    { a: many(1_000, "aaaa"), b: many(1_000, "bbbb") },
  ],
  ["event.a.all(x, event.b.all(y, x != y))", {
    a: ones(2_000),
    b: many(2_000, "b"),
  }],
  ["event.a.map(x, event.b.filter(y, x == y)) == []", {
    a: ones(2_000),
    b: ones(2_000),
  }],
  ["event.a.exists_one(x, x in event.b)", {
    a: ones(4_000),
    b: many(4_000, "b"),
  }],
  ["event.a.exists(x, event.b != event.c)", {
    a: ones(4_000),
    b: ones(4_000),
    c: ones(4_000),
  }],
  ["event.a.exists(x, size(event.t) == 3)", {
    a: ones(2_000),
    t: "a".repeat(100_000),
  }],
  ["event.a.exists(x, event.t + event.t == '')", {
    a: ones(2_000),
    t: "a".repeat(100_000),
  }],
  // Errors of the library cost a thousand times what a comparison does.
  ["event.a.exists(x, x.n == 1)", { a: ones(8_000) }],
  ["event.a.exists(x, x)", { a: ones(8_000) }],
  ["event.a.exists(x, x.n == 1 || x.m == 1)", { a: ones(8_000) }],
  ["event.a.exists(x, timestamp(event.t).getHours('Europe/Zurich') == 3)", {
    a: ones(1_000),
    t: "2026-01-01T00:00:00Z",
  }],
  ["duration(event.t) == duration('1s')", { t: "1".repeat(10_000) }],
  ["event.t.lastIndexOf(event.p) == 1", {
    t: "a".repeat(200_000),
    p: `${"a".repeat(20_000)}b`,
  }],
  ["event.m.exists(k, event.m.exists(l, k + l == ''))", {
    m: Object.fromEntries(ones(2_000).map((_, at) => [`k${at}`, 1])),
  }],
  ["event.a == 1", { a: nested(2_000) }],
  ["size(event.a) == 3", { a: ones(100_000) }],
];

function many<T>(count: number, one: T): T[] {
  return Array.from({ length: count }, () => one);
}

function ones(count: number): number[] {
  return many(count, 1);
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let n = 0; n < depth; n++) value = n % 2 === 0 ? [value] : { a: value };
  return value;
}

Deno.test("compileWhen() gives an event up once it took its work, whatever the expression", () => {
  for (const [expression, event] of HOSTILE) {
    const work = new Work();
    const when = compileWhen(expression, work);
    const view = viewOf(JSON.stringify(event));
    assert.throws(() => when(view), /take too long/, expression);
    // Nothing more was done afterwards: loops do not go on over elements that fail at once.
    assert.ok(work.refusals < 20, `${expression}: ${work.refusals}`);
    // The next event has all of it again.
    assert.throws(() => when(viewOf("{}")), /no such key/, expression);
    assert.ok(work.spent < 5_000, `${expression}: ${work.spent}`);
  }
});

Deno.test("compileWhen() gives up what nests deeper than anybody's events: the library keeps each type for ever", () => {
  const deep = (levels: number) => JSON.stringify({ a: nested(levels) });
  assert.ok(!answer("event.a == 1", deep(12)));
  assert.match(String(answer("event.a == 1", deep(13))), /take too long/);
});

Deno.test("compileWhen() spends little on what people write, and the same each time", () => {
  // With what docs/scopes.md says is enough.
  const table: [expression: string, event: Record<string, unknown>][] = [
    ["event.a >= 4 || event.b == 2004", { a: 1, b: 2004 }],
    ['event.t.contains("bbb")', { t: "a".repeat(1 << 20) }],
    ['event.t.matches("(?i)powershell.*-enc")', { t: "a".repeat(100 << 10) }],
    ['event.t.matches("^(aws|microsoft)$")', { t: "microsoft" }],
    ['event.l.exists(x, x.n.matches("-prod$"))', {
      l: many(500, { n: "aaaaaaaa-dev" }),
    }],
    ["event.a.exists(x, event.b.exists(y, x == y))", {
      a: many(150, "name-aaaa"),
      b: many(150, "name-bbbb"),
    }],
    ["event.a.exists(x, x == 2)", { a: ones(15_000) }],
  ];
  for (const [expression, event] of table) {
    const work = new Work(), when = compileWhen(expression, work);
    const view = viewOf(JSON.stringify(event));
    const first = [when(view), work.spent];
    assert.deepEqual([when(view), work.spent], first, expression);
    assert.ok(work.spent < MOST_WORK, `${expression}: ${work.spent}`);
  }
});

Deno.test("checkWhen() takes the examples of docs/scopes.md", async () => {
  const page = await Deno.readTextFile(
    new URL("../../../docs/scopes.md", import.meta.url),
  );
  const [, block = ""] = /```\n(event[^`]*)```/.exec(page) ?? [];
  const examples = block.trim().split("\n");
  assert.ok(examples.length > 4);
  for (const each of examples) assert.equal(checkWhen(each), undefined, each);
});
