/**
 * The destinations of the benchmark: one process, one port each, HTTP/1.1 by hand on raw sockets, syslog as lines.
 *
 * Arguments: the destinations' types. Each is answered as its vendor answers, as cheaply as can be. Says `{"ports":[…]}` first; then each line on stdin is a `SinkCommand`, each answered by
 * one line. Every event is counted, its send time read, and its number checked: per loader lane the numbers must come without
 * a gap, a repeat or a swap.
 */

import { Histogram, lines, say } from "./control.ts";
import {
  LANE_AT,
  LANE_DIGITS,
  MARK,
  microseconds,
  MIN_EVENT,
  readDigits,
  SEQ_AT,
  SEQ_DIGITS,
  TIME_AT,
  TIME_DIGITS,
} from "./event.ts";

export type SinkCommand =
  /** Answer with `SinkReport[]` once the destinations in `of` (absent: all) have this many events, or the time is over. */
  | {
    readonly do: "await";
    readonly events: number;
    readonly seconds: number;
    readonly of?: readonly number[];
  }
  /** Forget latencies, not counts. */
  | { readonly do: "clear" }
  /** Accept and read, but answer no more. */
  | { readonly do: "stall"; readonly at: number }
  /** Cut what was stalled and answer again. */
  | { readonly do: "heal"; readonly at: number };

export interface SinkReport {
  readonly events: number;
  readonly requests: number;
  /** When the last event came: microseconds since the Unix epoch. */
  readonly lastAt: number;
  /** Request to destination, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Repeats (a number seen before), and gaps or swaps. */
  readonly repeated: number;
  readonly misplaced: number;
}

const encoder = new TextEncoder();

/** No two syslog messages' marks are closer than this. */
const MIN_MESSAGE = 100;

function reply(status: string, body: string): Uint8Array {
  return encoder.encode(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

/** What a type says when it has taken a request. Elastic names each event: `bulkReply`. */
const REPLIES: Readonly<Record<string, Uint8Array>> = {
  sentinel: encoder.encode("HTTP/1.1 204 No Content\r\n\r\n"),
  datadog: reply("202 Accepted", "{}"),
  sumo: encoder.encode("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
  xsiam: reply("200 OK", '{"error":"false"}'),
};
const SUCCESS = reply("200 OK", '{"text":"Success","code":0}');
const TOKEN = reply(
  "200 OK",
  '{"token_type":"Bearer","expires_in":3599,"access_token":"t"}',
);
const bulkReplies = new Map<number, Uint8Array>();

/** Elastic's answer for so many events, made once. */
function bulkReply(events: number): Uint8Array {
  let made = bulkReplies.get(events);
  if (made === undefined) {
    const items = Array(events).fill('{"index":{"status":201}}').join();
    made = reply("200 OK", `{"errors":false,"items":[${items}]}`);
    bulkReplies.set(events, made);
  }
  return made;
}

class Destination {
  readonly type: string;
  readonly times = new Histogram();
  readonly held = new Set<Deno.Conn>();
  isStalled = false;
  events = 0;
  requests = 0;
  lastAt = 0;
  repeated = 0;
  misplaced = 0;
  readonly #last: number[] = [];
  /** No two marks are closer. */
  readonly #gap: number;

  constructor(type: string) {
    this.type = type;
    this.#gap = type === "qradar" ? MIN_MESSAGE : MIN_EVENT;
  }

  /** Counts a request's events and answers it. */
  answer(isToken: boolean, body: Uint8Array): Uint8Array {
    if (isToken) return TOKEN;
    const before = this.events;
    this.take(body);
    return this.type === "elastic"
      ? bulkReply(this.events - before)
      : REPLIES[this.type] ?? SUCCESS;
  }

  /** Counts the events of one request body. */
  take(bytes: Uint8Array): void {
    this.requests++;
    this.lastAt = microseconds();
    let sameTime = 0, time = 0, before = 0;
    for (
      let at = bytes.indexOf(MARK);
      at >= 0;
      at = bytes.indexOf(MARK, at + this.#gap)
    ) {
      const sent = readDigits(bytes, at + TIME_AT, TIME_DIGITS - 3);
      if (sent !== time) {
        if (sameTime > 0) this.times.add(before, sameTime);
        time = sent;
        before = this.lastAt - sent;
        sameTime = 0;
      }
      sameTime++;
      const lane = readDigits(bytes, at + LANE_AT, LANE_DIGITS);
      const seq = readDigits(bytes, at + SEQ_AT, SEQ_DIGITS);
      const last = this.#last[lane] ?? -1;
      if (seq === last + 1) {
        this.#last[lane] = seq;
      } else if (seq <= last) this.repeated++;
      else {
        this.misplaced++;
        this.#last[lane] = seq;
      }
      this.events++;
    }
    if (sameTime > 0) this.times.add(before, sameTime);
  }

  report(): SinkReport {
    const { events, requests, lastAt, repeated, misplaced } = this;
    return {
      events,
      requests,
      lastAt,
      repeated,
      misplaced,
      p50: this.times.quantile(0.5),
      p99: this.times.quantile(0.99),
    };
  }
}

/** Resolves waiters whenever a request was counted. */
let arrived: () => void = () => {};

/** Reads requests from one connection until it closes. */
async function serve(conn: Deno.Conn, to: Destination): Promise<void> {
  let buffer = new Uint8Array(262_144), end = 0;
  /** Of the request being read, from the buffer's start; 0 while its head is not complete. */
  let bodyAt = 0, total = 0, isToken = false;
  try {
    for (;;) {
      const n = await conn.read(buffer.subarray(end));
      if (n === null) return;
      end += n;
      while (end > 0) {
        if (bodyAt === 0) {
          ({ bodyAt, total, isToken } = head(buffer.subarray(0, end)));
        }
        if (bodyAt === 0) break;
        if (total > buffer.length) {
          const larger = new Uint8Array(total);
          larger.set(buffer.subarray(0, end));
          buffer = larger;
        }
        if (end < total) break;
        if (to.isStalled) to.held.add(conn);
        else {
          const said = to.answer(isToken, buffer.subarray(bodyAt, total));
          arrived();
          await conn.write(said);
        }
        buffer.copyWithin(0, total, end);
        end -= total;
        bodyAt = 0;
      }
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    // The relay cut the connection.
  } finally {
    to.held.delete(conn);
    try {
      conn.close();
    } catch {
      // Healed: closed before.
    }
  }
}

/** What the relay sent cannot be counted. */
class Fault extends Error {}

interface Head {
  readonly bodyAt: number;
  readonly total: number;
  /** It asks for a token. */
  readonly isToken: boolean;
}

const UNREAD: Head = { bodyAt: 0, total: 0, isToken: false };

/** Where a request's body begins and ends; zeros while the head is not complete. */
function head(bytes: Uint8Array): Head {
  let at = bytes.indexOf(13);
  while (
    at >= 0 &&
    !(bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10)
  ) at = bytes.indexOf(13, at + 1);
  if (at < 0) return UNREAD;
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, at));
  if (/\r\n(content-encoding|transfer-encoding):/i.test(text)) {
    throw new Fault(`Only plain bodies are counted:\n${text.split("\r\n")[0]}`);
  }
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? "0";
  return {
    bodyAt: at + 4,
    total: at + 4 + Number(length),
    isToken: text.slice(0, text.indexOf("\r")).includes("/token "),
  };
}

/** Reads lines from one connection until it closes: syslog, which is never answered. */
async function serveLines(conn: Deno.Conn, to: Destination): Promise<void> {
  const buffer = new Uint8Array(262_144);
  let end = 0;
  try {
    for (;;) {
      const n = await conn.read(buffer.subarray(end));
      if (n === null) return;
      end += n;
      const whole = buffer.lastIndexOf(0x0a, end - 1) + 1;
      if (whole === 0) continue;
      to.take(buffer.subarray(0, whole));
      arrived();
      buffer.copyWithin(0, whole, end);
      end -= whole;
    }
  } catch {
    // The relay cut the connection.
  } finally {
    conn.close();
  }
}

async function listen(listener: Deno.Listener, to: Destination): Promise<void> {
  const read = to.type === "qradar" ? serveLines : serve;
  for await (const conn of listener) void read(conn, to);
}

if (import.meta.main) {
  const destinations: Destination[] = [];
  const listeners: Deno.TcpListener[] = [];
  for (const type of Deno.args) {
    const to = new Destination(type);
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    destinations.push(to);
    listeners.push(listener);
    void listen(listener, to);
  }
  say({ ports: listeners.map((l) => l.addr.port) });
  for await (const line of lines(Deno.stdin.readable)) {
    const command: SinkCommand = JSON.parse(line);
    if (command.do === "await") {
      const until = performance.now() + command.seconds * 1_000;
      const waited = (command.of ?? destinations.map((_, i) => i)).map((i) =>
        destinations[i]
      );
      const isDone = () =>
        waited.every((d) => d !== undefined && d.events >= command.events);
      while (!isDone() && performance.now() < until) {
        const timer = setTimeout(() => arrived(), until - performance.now());
        await new Promise<void>((resolve) => arrived = resolve);
        clearTimeout(timer);
      }
      say(destinations.map((d) => d.report()));
    } else {
      if (command.do === "clear") {
        for (const d of destinations) d.times.clear();
      } else {
        const to = destinations[command.at];
        if (to === undefined) throw new TypeError("No such destination");
        to.isStalled = command.do === "stall";
        if (!to.isStalled) { for (const conn of to.held) conn.close(); }
      }
      say({ done: command.do });
    }
  }
  Deno.exit(0);
}
