import assert from "node:assert/strict";
import {
  type Credential,
  type NoToken,
  TokenSource,
} from "../../../lib/delivery/oauth.ts";
import { openHttp } from "../../../lib/delivery/http_client.ts";
import { TransportError } from "../../../lib/delivery/transport_error.ts";
import { Azure, granted } from "../../support/azure.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { answer } from "../../support/sinks.ts";

const SECRET: Credential = { kind: "secret", secret: "s3~c+r/et" };
const never = () => AbortSignal.timeout(20_000);

function sourceOf(
  base: string,
  clock = new ManualClock(),
  credential = SECRET,
): TokenSource {
  return new TokenSource({
    tokenUrl: new URL(`${base}/tenant/oauth2/v2.0/token`),
    clientId: "client",
    scope: "scope/.default",
    credential,
  }, {
    clock,
    uuid: () => crypto.randomUUID(),
    http: (url) => openHttp({ url, tls: { verify: true }, timeout: 10_000 }),
  });
}

/** What a login that answers so gives. */
async function askedOnce(reply: string): Promise<string | NoToken> {
  await using azure = new Azure({ logins: [reply] });
  await using source = sourceOf(azure.base);
  return await source.token(never());
}

Deno.test("T25 oauth: renewed five minutes before its end, ten at once share one request", async () => {
  const clock = new ManualClock();
  await using azure = new Azure();
  await using source = sourceOf(azure.base, clock);
  const ten = () =>
    Promise.all(Array.from({ length: 10 }, () => source.token(never())));
  assert.deepEqual(new Set(await ten()), new Set(["token-1"]));
  clock.advance(3_298_999);
  assert.deepEqual(new Set(await ten()), new Set(["token-1"]));
  assert.equal(azure.logins.length, 1);
  clock.advance(1_001);
  assert.deepEqual(new Set(await ten()), new Set(["token-2"]));
  assert.equal(azure.logins.length, 2);
});

Deno.test("oauth: a life of five minutes or less is used to 90 %, whatever its form, on a clock that does not jump", async () => {
  for (
    const [life, good] of [
      [300, 270_000],
      ["300", 270_000],
      [10, 9_000],
      [301, 1_000],
      [null, 270_000],
      ["soon", 270_000],
      [-5, 270_000],
    ] as const
  ) {
    const clock = new ManualClock();
    await using azure = new Azure({
      logins: [granted("token-1", life), granted("token-2")],
    });
    await using source = sourceOf(azure.base, clock);
    await source.token(never());
    clock.advance(good - 1);
    assert.equal(await source.token(never()), "token-1", `${life}`);
    clock.advance(1);
    assert.equal(await source.token(never()), "token-2", `${life}`);
  }
});

Deno.test("oauth: discard() forgets a refused token, and no newer one", async () => {
  await using azure = new Azure();
  await using source = sourceOf(azure.base);
  assert.equal(await source.token(never()), "token-1");
  source.discard("token-1");
  assert.equal(await source.token(never()), "token-2");
  source.discard("token-1");
  assert.equal(await source.token(never()), "token-2");
  assert.deepEqual(source.secrets(), ["s3~c+r/et", "token-2"]);
});

Deno.test("oauth: a token that is still good serves on while the login is down", async () => {
  const clock = new ManualClock();
  await using azure = new Azure({
    logins: [
      granted("token-1", 3600),
      answer(503),
      answer(503),
      granted("token-2"),
    ],
  });
  await using source = sourceOf(azure.base, clock);
  await source.token(never());
  clock.advance(3_300_000);
  assert.equal(await source.token(never()), "token-1");
  // Not asked for each batch.
  assert.equal(await source.token(never()), "token-1");
  assert.equal(azure.logins.length, 2);
  clock.advance(30_000);
  assert.equal(await source.token(never()), "token-1");
  assert.equal(azure.logins.length, 3);
  clock.advance(30_000);
  assert.equal(await source.token(never()), "token-2");
});

Deno.test("oauth: no token that ended is used; a refusal counts at once", async () => {
  const clock = new ManualClock();
  await using azure = new Azure({
    logins: [
      granted("token-1", 3600),
      answer(429, "", { "retry-after": "7" }),
      granted("token-2", 3600),
      answer(401, { error_codes: [7000222] }),
    ],
  });
  await using source = sourceOf(azure.base, clock);
  await source.token(never());
  clock.advance(3_600_000);
  const late = await source.token(never());
  assert.ok(
    typeof late === "object" && "kind" in late && late.kind === "retry",
  );
  assert.equal(late.reason, "slow_down");
  assert.equal(late.after, 7000);
  assert.equal(await source.token(never()), "token-2");
  clock.advance(3_300_000);
  const refused = await source.token(never());
  assert.ok(typeof refused === "object" && "kind" in refused);
  assert.equal(refused.kind, "held");
});

Deno.test("oauth: what the login's answers mean", async () => {
  const html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n" +
    "content-length: 28\r\n\r\n<html><title>Hi</title>12345";
  const aadsts = (code: number, status = 400) =>
    answer(status, { error: "invalid_client", error_codes: [code] });
  for (
    const [reply, kind, reason, text] of [
      [aadsts(7000215, 401), "held", "auth", /secret wrong \(AADSTS7000215\)/],
      [aadsts(7000222), "held", "auth", /secret expired \(AADSTS7000222\)/],
      [aadsts(700016), "held", "auth", /app unknown.*700016/],
      [aadsts(90002), "held", "auth", /tenant unknown.*90002/],
      [aadsts(70011), "held", "auth", /scope wrong.*70011/],
      [aadsts(1002012), "held", "auth", /scope wrong.*1002012/],
      [aadsts(700027), "held", "auth", /signature.*700027/],
      [aadsts(700024), "held", "auth", /outside its time.*700024/],
      [aadsts(700213), "held", "auth", /subject.*700213/],
      [aadsts(5000811), "held", "auth", /400: AADSTS5000811/],
      [
        answer(401, { error_description: "AADSTS7000222: keys are expired" }),
        "held",
        "auth",
        /secret expired/,
      ],
      [
        answer(400, { error: "invalid_scope" }),
        "held",
        "auth",
        /invalid_scope/,
      ],
      [answer(400, "<no json s3~c+r/et>"), "held", "auth", /\[secret\]/],
      [answer(403), "held", "forbidden", /Login at .*403/],
      [answer(404), "held", "path", /Login at .*404/],
      [
        answer(302, "", { location: "http://x.example/" }),
        "held",
        "redirect",
        /x\.example/,
      ],
      [answer(413), "held", "config", /413/],
      [html, "held", "not_collector", /Hi/],
      [answer(200, {}), "held", "not_collector", /without a token/],
      [
        answer(200, { access_token: "a\r\nb" }),
        "held",
        "not_collector",
        /without a token/,
      ],
      [answer(200, "null"), "held", "not_collector", /without a token/],
      [answer(429), "retry", "slow_down", /Login at/],
      [answer(500), "retry", "server", /500/],
      [answer(503), "retry", "server", /503/],
    ] as const
  ) {
    const got = await askedOnce(reply);
    assert.ok(typeof got === "object" && "kind" in got, reply);
    assert.equal(got.kind, kind, reply);
    assert.ok(got.kind === "held" || got.kind === "retry");
    assert.equal(got.reason, reason, reply);
    assert.match(got.message, text);
    assert.ok(!got.message.includes("s3~c+r/et"));
  }
});

Deno.test("oauth: nobody there is a transport's fault", async () => {
  await using source = sourceOf("http://127.0.0.1:9");
  const got = await source.token(never());
  assert.ok(got instanceof TransportError);
  assert.equal(got.reason, "refused");
});

Deno.test("oauth: a federated token is asked for at each request, and its absence told", async () => {
  const texts = ["jwt-1\n", "jwt-2", " "];
  await using azure = new Azure();
  await using source = sourceOf(azure.base, new ManualClock(), {
    kind: "federated",
    assertion() {
      const text = texts.shift();
      if (text === undefined) throw new Error("it is gone.");
      return text;
    },
  });
  for (const n of [1, 2]) {
    assert.equal(await source.token(never()), `token-${n}`);
    source.discard(`token-${n}`);
    assert.deepEqual(Object.fromEntries(azure.logins[n - 1]?.form ?? []), {
      client_id: "client",
      scope: "scope/.default",
      grant_type: "client_credentials",
      client_assertion_type:
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: `jwt-${n}`,
    });
  }
  for (const text of [/empty/, /it is gone/]) {
    const got = await source.token(never());
    assert.ok(typeof got === "object" && "kind" in got && got.kind === "held");
    assert.equal(got.reason, "config");
    assert.match(got.message, text);
  }
});

Deno.test("oauth: a signal ends the wait of one, the others get their token", async () => {
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  const { promise: go, resolve } = Promise.withResolvers<string>();
  await using azure = new Azure();
  await using source = sourceOf(azure.base, new ManualClock(), {
    kind: "federated",
    assertion() {
      onAsked();
      return go;
    },
  });
  const controller = new AbortController();
  const one = source.token(controller.signal), two = source.token(never());
  await asked;
  controller.abort(new Error("enough"));
  await assert.rejects(one, /enough/);
  resolve("jwt");
  assert.equal(await two, "token-1");
  assert.equal(azure.logins.length, 1);
  await assert.rejects(
    source.token(controller.signal).then((token) => {
      // A token in hand needs no wait.
      assert.equal(token, "token-1");
      throw new Error("got it");
    }),
    /got it/,
  );
});

Deno.test("oauth: closing ends a request under way", async () => {
  await using azure = new Azure();
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  const { promise: go, resolve } = Promise.withResolvers<string>();
  const source = sourceOf(azure.base, new ManualClock(), {
    kind: "federated",
    assertion() {
      onAsked();
      return go;
    },
  });
  const waiting = assert.rejects(source.token(never()));
  await asked;
  const closed = source[Symbol.asyncDispose]();
  resolve("jwt");
  await closed;
  await waiting;
  assert.equal(azure.logins.length, 0);
});
