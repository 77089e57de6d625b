import { deepEqual, equal, match } from "node:assert/strict";
import { runCli } from "../../../lib/cli/run.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { sinkEnvironment } from "../../support/sinks.ts";

const certificates = await makeCertificates();

interface Answering {
  readonly env?: Readonly<Record<string, string>>;
  readonly fetch?: typeof fetch;
}

/** Runs a command line against what answers; the addresses that it asked. */
async function run(line: string, { env = {}, fetch }: Answering) {
  const out: string[] = [], err: string[] = [];
  const code = await runCli(line.split(" "), {
    env: { HECATE_ADMIN_TOKEN: "hca_x", ...env },
    types: [],
    version: "1.2.3",
    platform: "deno 0",
    readFile: () => "",
    sinkEnvironment: () => sinkEnvironment(),
    ...fetch !== undefined && { fetch },
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  });
  return { code, out, err };
}

/** Something that answers every request so. */
function answering(
  body: string,
  type: string,
  status = 200,
  asked: string[] = [],
): typeof fetch {
  return (input) => {
    asked.push(String(input));
    return Promise.resolve(
      new Response(body, { status, headers: { "Content-Type": type } }),
    );
  };
}

/** Every command that asks a relay. */
const COMMANDS = [
  "dead list",
  "dead groups",
  "dead show x",
  "dead export",
  "dead discard -y",
  "dead discard x -y",
  "dead replay -y",
  "replay list",
  "replay show x",
  "replay pause x",
  "replay follow x",
  "replay start --to a --from oldest",
  "replay start --to a --from oldest --dry-run",
  "connectors books a",
  "connectors disable a",
  "connectors enable a",
  "connectors probe a",
  "event 1-1",
  "log verify --url http://relay",
];

Deno.test("commands that ask a relay believe no other program: what, where, what to do, exit 5", async () => {
  const env = { HECATE_URL: "http://relay/" };
  for (const line of COMMANDS) {
    for (
      const [body, type, status] of [
        ["<html>Log in</html>", "text/html; charset=utf-8", 200],
        ["", "text/html", 302],
        ["<html>Unavailable</html>", "text/html", 503],
        ["no", "", 404],
        ['{"message":"no such route"}', "application/json", 404],
      ] as const
    ) {
      const { code, out, err } = await run(line, {
        env,
        fetch: answering(body, type, status),
      });
      deepEqual({ code, out }, { code: 5, out: [] }, `${line}: ${status}`);
      match(
        err[0] ?? "",
        new RegExp(`^hecate: .*http://relay is no Hecate \\(HTTP ${status}, `),
      );
      match(err[1] ?? "", /HECATE_URL.*login page/);
    }
    if (line === "dead export") continue;
    for (const json of ["{}", "[]", '{"status":"ok"}', "nonsense"]) {
      const { code, out } = await run(line, {
        env,
        fetch: answering(json, "application/json"),
      });
      deepEqual({ code, out }, { code: 5, out: [] }, `${line}: ${json}`);
    }
  }
});

Deno.test("commands that ask a relay take what a relay refuses by its problem", async () => {
  const { code, err } = await run("dead list", {
    env: { HECATE_URL: "http://relay/" },
    fetch: answering(
      '{"title":"Not here"}',
      "application/problem+json; charset=utf-8",
      404,
    ),
  });
  deepEqual({ code, err }, { code: 3, err: ["hecate: Not here"] });
});

Deno.test("commands that ask a relay find it by the environment: port, TLS, nothing of Kubernetes", async () => {
  for (
    const [env, origin] of [
      [{}, "http://127.0.0.1:8080"],
      [{ HECATE_PORT: "" }, "http://127.0.0.1:8080"],
      [{ HECATE_PORT: "9000" }, "http://127.0.0.1:9000"],
      [{ HECATE_PORT: "tcp://10.0.0.1:8080" }, "http://127.0.0.1:8080"],
      [{ HECATE_TLS_CERT: "/c.pem" }, "https://127.0.0.1:8080"],
      [
        { HECATE_TLS_CERT: "/c.pem", HECATE_URL: "http://relay" },
        "http://relay",
      ],
    ] as const
  ) {
    const asked: string[] = [];
    const fetch = answering('{"items":[]}', "application/json", 200, asked);
    equal((await run("dead groups", { env, fetch })).code, 0);
    deepEqual(asked, [`${origin}/api/v1/dead-letters/groups`]);
  }
});

Deno.test("commands that ask a relay say why none answers over TLS, and what to do", async () => {
  // `openssl` makes them; without it there is nothing to serve with.
  if (certificates === undefined) return;
  const secured = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    ...certificates.good,
    onListen() {},
  }, () => new Response());
  const bare = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(),
  );
  const of = async (url: string) => {
    const { code, err } = await run("dead list", { env: { HECATE_URL: url } });
    equal(code, 5);
    return err;
  };
  const untrusted = await of(`https://127.0.0.1:${secured.addr.port}`);
  match(
    untrusted[0] ?? "",
    /^hecate: no relay answers at https:.*UnknownIssuer/,
  );
  match(untrusted[1] ?? "", /^DENO_CERT=FILE /);
  const plain = await of(`https://127.0.0.1:${bare.addr.port}`);
  match(plain[0] ?? "", /corrupt message|InvalidContentType/);
  match(plain[1] ?? "", /speaks no TLS/);
  const missing = await of(`http://127.0.0.1:${secured.addr.port}`);
  match(missing[1] ?? "", /https:/);
  await Promise.all([secured.shutdown(), bare.shutdown()]);
});
