/**
 * The control: a relay as one would write it in an afternoon. Parses each event, keeps JSON segments in Deno KV before it
 * answers 200, reads them back for each destination, stringifies, sends with `fetch`, and settles each batch before the
 * next one. It promises what the relay promises of order, durability and repeats; it is not fast.
 *
 * Environment: NAIVE_PORT, NAIVE_KV (a path), NAIVE_SINKS (`hec=url,splunk=url,crowdstrike=url`).
 */

import {
  type Envelope,
  FORMATS,
  openSyslog,
  type Send,
} from "./naive_formats.ts";

const kv = await Deno.openKv(Deno.env.get("NAIVE_KV"));
const sinks = (Deno.env.get("NAIVE_SINKS") ?? "").split(",").map((s) =>
  s.split("=") as [string, string]
);
const behind = sinks.map(() => 0);
let segments = 0, trimmed = 0;
let wake = Promise.withResolvers<void>();

async function ingest(request: Request): Promise<Response> {
  if (request.method !== "POST") return new Response("ready");
  const texts = (await request.text()).split("\n").filter(Boolean)
    .map((line) => JSON.stringify(JSON.parse(line)));
  const append = kv.atomic();
  for (let chunk: string[] = [], size = 0; texts.length > 0;) {
    size += texts[0]?.length ?? 0;
    chunk.push(texts.shift() ?? "");
    if (size + (texts[0]?.length ?? Infinity) < 60_000) continue;
    append.set(["segment", segments++], `[${chunk}]`);
    chunk = [], size = 0;
  }
  await append.commit();
  wake.resolve();
  wake = Promise.withResolvers();
  return Response.json({ text: "Success", code: 0 });
}

/** Sends, and reads the answer as each vendor's says: Elastic's items, Splunk's code, XSIAM's error. */
async function post(url: string, body: string): Promise<void> {
  const reply = await fetch(url, { method: "POST", body });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${url} answered ${reply.status}`);
  const answer = text === "" ? {} : JSON.parse(text);
  const items: { index: { status: number } }[] = answer.items ?? [];
  if (
    (answer.code ?? 0) !== 0 || (answer.error ?? "false") !== "false" ||
    items.some(({ index }) => index.status > 299)
  ) throw new Error(`${url}: ${text}`);
}

async function deliver([type, url]: [string, string], at: number) {
  const format = FORMATS[type];
  if (format === undefined) throw new TypeError(`No format ${type}`);
  const send: Send = type === "qradar" ? await openSyslog(url) : post;
  for (let next = 0;;) {
    const events: [segment: number, Envelope, id: string][] = [];
    const woken = wake.promise;
    const from = { start: ["segment", next], end: ["segment", Infinity] };
    for await (
      const { key, value } of kv.list<string>(from, { batchSize: 10 })
    ) {
      if (key[1] !== next) break; // committed out of turn: its predecessor is on the way
      const found: Envelope[] = JSON.parse(value);
      found.forEach((one, n) => events.push([next, one, `${next}-${n}`]));
      next++;
      if (events.length >= 500) break;
    }
    if (events.length === 0) await woken;
    while (events.length > 0) {
      const body = format.body(
        events.splice(0, 100).map(([, one, id]) => format.event(one, id)),
      );
      await send(url + format.path, body);
      behind[at] = events[0]?.[0] ?? next;
      const settled = kv.atomic().set(["cursor", type], behind[at]);
      while (trimmed < Math.min(...behind)) {
        settled.delete(["segment", trimmed++]);
      }
      await settled.commit();
    }
  }
}

Deno.serve(
  {
    hostname: "127.0.0.1",
    port: Number(Deno.env.get("NAIVE_PORT")),
    onListen() {},
  },
  ingest,
);
await Promise.all(sinks.map(deliver));
