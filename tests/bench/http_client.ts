/**
 * What a delivery costs by its client: own client, `fetch`, `node:http`, with bodies of one batch. CPU of this process
 * per request (all threads), interleaved in one run; the destination is a process of its own. Also what a body's copy,
 * gzip and TLS cost.
 *
 * `deno run -A tests/bench/http_client.ts [requests per round]`
 */

import { Agent, request as nodeRequest } from "node:http";
import { cpuUsage } from "node:process";
import { gzipSync } from "node:zlib";
import { systemClock } from "../../lib/clock.ts";
import { openHttp } from "../../lib/delivery/http_client.ts";
import type { TlsSettings } from "../../lib/delivery/http_exchange.ts";
import { makeCertificates } from "../support/certificates.ts";

const ROUNDS = 5;
const BODY = 75_000;
const ANSWER = new TextEncoder().encode(
  'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{"text":"Success","code":0}',
);

/** The destination: counts bytes, says 200. */
async function serve(listener: Deno.Listener<Deno.Conn>): Promise<void> {
  for await (const conn of listener) {
    (async () => {
      const buffer = new Uint8Array(262_144);
      let left = 0;
      for (;;) {
        const read = await conn.read(buffer);
        if (read === null) break;
        let at = 0;
        if (left === 0) {
          const text = new TextDecoder().decode(
            buffer.subarray(0, Math.min(read, 1000)),
          );
          at = text.indexOf("\r\n\r\n") + 4;
          left = Number(/content-length: (\d+)/i.exec(text)?.[1]);
        }
        left -= read - at;
        if (left === 0) await conn.write(ANSWER);
      }
    })().catch(() => {});
  }
}

if (Deno.args[0] === "serve") {
  const [, cert, key] = Deno.args;
  const where = { hostname: "127.0.0.1", port: 0 };
  const listener: Deno.Listener<Deno.Conn> = cert && key
    ? Deno.listenTls({ ...where, cert, key, alpnProtocols: ["http/1.1"] })
    : Deno.listen(where);
  const { port } = listener.addr as Deno.NetAddr;
  await Deno.stdout.write(new TextEncoder().encode(`${port}\n`));
  await serve(listener);
}

async function start(...args: string[]): Promise<{
  port: number;
  child: Deno.ChildProcess;
}> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", import.meta.filename ?? "", "serve", ...args],
    stdout: "piped",
  }).spawn();
  const { value } = await child.stdout.getReader().read();
  return { port: Number(new TextDecoder().decode(value)), child };
}

type Send = (body: Uint8Array<ArrayBuffer>) => Promise<void>;

function own(url: string, tls: TlsSettings): Send {
  const exchange = openHttp({ url: new URL(url), tls, timeout: 30_000 }, {
    clock: systemClock,
  });
  const { signal } = new AbortController();
  return async (body) => {
    const reply = await exchange.send({
      method: "POST",
      headers: [
        ["Authorization", "Splunk 11111111-2222-3333-4444-555555555555"],
        ["Content-Type", "application/json"],
      ],
      body,
    }, signal);
    if (reply.status !== 200 || reply.text() === "") throw new Error("no 200");
  };
}

function byFetch(url: string, client?: Deno.HttpClient): Send {
  return async (body) => {
    const reply = await fetch(url, {
      method: "POST",
      headers: {
        "Authorization": "Splunk 11111111-2222-3333-4444-555555555555",
        "Content-Type": "application/json",
      },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(30_000),
      ...(client === undefined ? {} : { client }),
    });
    if (await reply.text() === "") throw new Error("no answer");
  };
}

function byNode(url: string): Send {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return (body) =>
    new Promise((resolve, reject) => {
      const request = nodeRequest(url, {
        agent,
        method: "POST",
        timeout: 30_000,
        headers: {
          "Authorization": "Splunk 11111111-2222-3333-4444-555555555555",
          "Content-Type": "application/json",
          "Content-Length": body.length,
        },
      }, (reply) => {
        reply.on("data", () => {});
        reply.on("end", resolve);
      });
      request.on("error", reject);
      request.end(body);
    });
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Microseconds of CPU and of time per request: the median round of each, relative to the first. */
async function compare(
  title: string,
  sends: Readonly<Record<string, Send>>,
  count: number,
  size = BODY,
): Promise<void> {
  const body = new Uint8Array(size).map((_, i) => 97 + i % 23);
  const seen = new Map<string, { cpu: number; wall: number }[]>();
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, send] of Object.entries(sends)) {
      const before = cpuUsage();
      const wall = performance.now();
      for (let i = 0; i < count; i++) await send(body);
      const used = cpuUsage(before);
      if (round === 0) continue; // warm-up
      const figures = seen.get(name) ?? [];
      seen.set(name, figures);
      figures.push({
        cpu: (used.user + used.system) / count,
        wall: (performance.now() - wall) * 1e3 / count,
      });
    }
  }
  print(`\n${title}, ${count} requests of ${size} B a round, ${ROUNDS} rounds`);
  let base = 0;
  for (const [name, figures] of seen) {
    const cpu = median(figures.map((figure) => figure.cpu));
    const wall = median(figures.map((figure) => figure.wall));
    base ||= cpu;
    print(
      `  ${name.padEnd(22)} CPU ${cpu.toFixed(1).padStart(7)} us  ×${
        (cpu / base).toFixed(2)
      }  time ${wall.toFixed(1).padStart(7)} us`,
    );
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

async function main(count: number): Promise<void> {
  const plain = await start();
  const url = `http://127.0.0.1:${plain.port}/services/collector/event`;
  const clients = {
    "own client": own(url, { verify: true }),
    "fetch": byFetch(url),
    "node:http": byNode(url),
  };
  await compare("plain HTTP", clients, count);
  await compare("plain HTTP, one event", clients, count, 800);
  plain.child.kill();
  await plain.child.status;

  const made = await makeCertificates();
  if (made !== undefined) {
    const tls = await start(made.good.cert, made.good.key);
    const url = `https://localhost:${tls.port}/services/collector/event`;
    const client = Deno.createHttpClient({ caCerts: [made.ca] });
    await compare("TLS", {
      "own client, native": own(url, { verify: true, caBundle: made.ca }),
      "own client, node:tls": own(url, { verify: true, pin: made.goodPin }),
      "fetch": byFetch(url, client),
    }, count);
    tls.child.kill();
    await tls.child.status;
  }

  const text = new TextEncoder().encode(
    '{"time":1773360000.123,"host":"edr-01","event":{"activity_id":1,"severity_id":3}}\n'
      .repeat(925),
  );
  const stream = async (bytes: Uint8Array<ArrayBuffer>) => {
    const packed = new Blob([bytes]).stream().pipeThrough(
      new CompressionStream("gzip"),
    );
    await new Response(packed).arrayBuffer();
  };
  const settle = (work: (bytes: Uint8Array) => unknown): Send => (_body) => {
    work(text);
    return Promise.resolve();
  };
  await compare("gzip", {
    "gzipSync level 1": settle((bytes) => gzipSync(bytes, { level: 1 })),
    "gzipSync level 6": settle((bytes) => gzipSync(bytes, { level: 6 })),
    "CompressionStream": () => stream(text),
  }, Math.ceil(count / 4));
  Deno.exit();
}

if (Deno.args[0] !== "serve") await main(Number(Deno.args[0] ?? 2000));
