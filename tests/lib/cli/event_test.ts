import { deepEqual, equal, match } from "node:assert/strict";
import { runCli } from "../../../lib/cli/run.ts";
import { sinkEnvironment } from "../../support/sinks.ts";

const RECEIPT =
  `{"id":"00000000000000010000-3","accepted_at":"2026-03-13T00:00:00.000Z","producer":"edr","bytes":7,"connectors":[${
    [
      '"name":"a","type":"splunk","state":"delivered","at":"2026-03-13T00:00:01.000Z","attempts":2,"answer":{"status":200,"message":"Success"}',
      '"name":"b","type":"qradar","state":"delivered","at":"2026-03-13T00:00:01.000Z","attempts":1,"answer":{"status":null,"message":""}',
      '"name":"c","type":"hec","state":"filtered","at":"2026-03-13T00:00:01.000Z","by":"when"',
      '"name":"d","type":"hec","state":"waiting","ahead":4,"attempts":1,"next_attempt_at":null,"reason":"auth"',
      '"name":"e","type":"hec","state":"dead","at":"2026-03-13T00:00:01.000Z","reason":"rejected","error":"no\\u001b[31m","attempts":1,"dead_letter":"x@e"',
      '"name":"f","type":"hec","state":"expired","at":"2026-03-13T00:00:01.000Z","reason":"age"',
    ].map((row) => `{${row}}`).join(",")
  }],"event":{"a":1.50}}`;

async function run(args: readonly string[], status = 200) {
  const out: string[] = [], err: string[] = [], asked: string[] = [];
  const code = await runCli(args, {
    env: { HECATE_URL: "http://relay/", HECATE_ADMIN_TOKEN: "hca_x" },
    types: [],
    version: "1.2.3",
    platform: "deno 0",
    readFile: () => "",
    sinkEnvironment: () => sinkEnvironment(),
    fetch: (input) => {
      asked.push(String(input));
      return Promise.resolve(
        new Response(
          status === 200 ? RECEIPT : '{"title":"There is nothing here"}',
          {
            status,
            headers: {
              "Content-Type": status === 200
                ? "application/json"
                : "application/problem+json",
            },
          },
        ),
      );
    },
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  });
  return { code, out, err, asked };
}

Deno.test("event ID prints the receipt, for people and as it came", async () => {
  const { code, out, asked } = await run(["event", "00000000000000010000-3"]);
  equal(code, 0);
  deepEqual(asked, ["http://relay/api/v1/events/00000000000000010000-3"]);
  equal(out[0], "Event 00000000000000010000-3");
  equal(out[1], "accepted 2026-03-13T00:00:00.000Z from edr, 7 bytes");
  match(
    out[3] ?? "",
    /^a +splunk +delivered +2026.* 200 Success \(attempt 2\)$/,
  );
  match(out[4] ?? "", /^b .* \(attempt 1\)$/);
  match(out[5] ?? "", /^c .* by when$/);
  match(out[6] ?? "", /^d +hec +waiting +- +4 before it, auth$/);
  match(out[7] ?? "", /^e .* rejected: no/);
  match(out[8] ?? "", /^f .* age$/);
  deepEqual(out.filter((line) => line.includes("\u001b")), []);
  deepEqual((await run(["event", "x", "--json"])).out, [RECEIPT]);
});

Deno.test("event ID of an unknown event is exit 3; the id is escaped", async () => {
  const { code, err, asked } = await run(["event", "../status?x"], 404);
  equal(code, 3);
  deepEqual(asked, ["http://relay/api/v1/events/..%2Fstatus%3Fx"]);
  match(err[0] ?? "", /There is nothing here/);
});
