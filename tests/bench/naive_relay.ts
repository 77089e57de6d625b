/**
 * The control: a relay as one would write it in an afternoon. Parses each event, keeps JSON segments in Deno KV before it
 * answers 200, reads them back for each destination, stringifies, sends with `fetch`, and settles each batch before the
 * next one. It promises what the relay promises of order, durability and repeats; it is not fast.
 *
 * Environment: NAIVE_PORT, NAIVE_KV (a path), NAIVE_SINKS (`hec=url,splunk=url,crowdstrike=url`).
 */

interface Envelope {
  time?: number;
  event: unknown;
}

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

async function deliver([type, url]: [string, string], at: number) {
  for (let next = 0;;) {
    const events: [segment: number, Envelope][] = [];
    const woken = wake.promise;
    const from = { start: ["segment", next], end: ["segment", Infinity] };
    for await (
      const { key, value } of kv.list<string>(from, { batchSize: 10 })
    ) {
      if (key[1] !== next) break; // committed out of turn: its predecessor is on the way
      for (const event of JSON.parse(value)) events.push([next, event]);
      next++;
      if (events.length >= 500) break;
    }
    if (events.length === 0) await woken;
    while (events.length > 0) {
      const body = events.splice(0, 100).map(([, e]) =>
        JSON.stringify(
          type === "hec" ? { data: e.event, collector_ms: Date.now() } : e,
        )
      ).join("\n");
      const reply = await fetch(url, { method: "POST", body });
      if (!reply.ok) throw new Error(`${type} answered ${reply.status}`);
      await reply.body?.cancel();
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
