/**
 * The producer of the benchmark: its own process, prebuilt requests on raw keep-alive sockets, one in flight per connection.
 *
 * Argument: one JSON object (`LoaderOptions`). Each line on stdin is a `Phase`; each is answered by a `PhaseReport` on stdout.
 * Any answer but 200 ends the process: the counts could not be exact.
 */

import { Histogram, lines, say } from "./control.ts";
import {
  microseconds,
  PLACE_DIGITS,
  PLACES,
  type RequestTemplate,
  requestTemplate,
  seeded,
  SEQ_AT,
  SEQ_DIGITS,
  TIME_AT,
  TIME_DIGITS,
  writeDigits,
} from "./event.ts";

export interface LoaderOptions {
  readonly port: number;
  readonly token: string;
  readonly connections: number;
  /** Events in a request: 1 or 100. */
  readonly batch: 1 | 100;
  readonly seed: number;
}

export interface Phase {
  /** Stop after this many seconds … */
  readonly seconds: number;
  /** … or after this many bytes of bodies. */
  readonly bytes?: number;
  /** Events a second over all connections, on a fixed schedule; absent: as fast as answers come. */
  readonly rate?: number;
}

export interface PhaseReport {
  /** Events acknowledged since the process started. */
  readonly total: number;
  /** Events acknowledged in this phase, and the seconds from the first byte to the last answer. */
  readonly events: number;
  readonly seconds: number;
  /** When it began: microseconds since the Unix epoch. */
  readonly startedAt: number;
  /** Request to answer, in milliseconds. */
  readonly ackP50: number;
  readonly ackP99: number;
}

/** Named for the linter's sake. */
const ON = true;
const acks = new Histogram();
const STAMP = new Uint8Array(TIME_DIGITS).fill(0x30);

/** One connection and its prebuilt requests, which hold the places 0 to 99 between them. */
class Lane {
  readonly #conn: Deno.TcpConn;
  readonly #requests: readonly RequestTemplate[];
  readonly #events: number;
  readonly #reply = new Uint8Array(4_096);
  readonly #seq = new Uint8Array(SEQ_DIGITS - PLACE_DIGITS);
  #replyLength = 0;
  #turn = 0;
  #hundreds = 0;

  constructor(conn: Deno.TcpConn, lane: number, options: LoaderOptions) {
    const { batch, token, seed } = options;
    const random = seeded(seed + lane);
    this.#conn = conn;
    this.#events = batch;
    this.#requests = Array.from(
      { length: PLACES / batch },
      (_, i) =>
        requestTemplate({
          random,
          lane,
          place: i * batch,
          count: batch,
          token,
        }),
    );
  }

  /** Sends the next request, stamped with `stamp` (microseconds), and waits for its 200. Resolves to its bytes. */
  async send(stamp: number): Promise<number> {
    const request = this.#requests[this.#turn];
    if (request === undefined) throw new TypeError("No such request");
    writeDigits(STAMP, 0, TIME_DIGITS - 3, stamp);
    if (this.#turn === 0) {
      writeDigits(this.#seq, 0, this.#seq.length, this.#hundreds);
      this.#hundreds++;
    }
    this.#turn = (this.#turn + 1) % this.#requests.length;
    const { bytes, marks } = request;
    for (const mark of marks) {
      bytes.set(STAMP, mark + TIME_AT);
      bytes.set(this.#seq, mark + SEQ_AT);
    }
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.#conn.write(bytes.subarray(sent));
    }
    await this.#answer();
    acks.add(microseconds() - stamp, this.#events);
    return bytes.length;
  }

  async #answer(): Promise<void> {
    const reply = this.#reply;
    let length = 0, total = 0;
    do {
      const n = await this.#conn.read(reply.subarray(length));
      if (n === null) throw new Error("The relay closed the connection");
      length += n;
      // An answer of the length that the last one had is that answer again, save for its date.
      total = length === this.#replyLength
        ? length
        : answerLength(reply.subarray(0, length));
    } while (total === 0 || length < total);
    // "HTTP/1.1 200"
    if (reply[9] !== 0x32 || reply[10] !== 0x30 || reply[11] !== 0x30) {
      const text = new TextDecoder().decode(reply.subarray(0, length));
      throw new Error(`The relay refused a request:\n${text}`);
    }
    this.#replyLength = length;
  }

  close(): void {
    this.#conn.close();
  }
}

/** Length of an HTTP answer with its body, or 0 while its head is not complete. */
function answerLength(bytes: Uint8Array): number {
  const text = new TextDecoder("latin1").decode(bytes);
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return 0;
  const found = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head));
  if (found === null) throw new Error(`No Content-Length in:\n${text}`);
  return head + 4 + Number(found[1]);
}

/** Runs one phase over all lanes. */
async function run(
  lanes: readonly Lane[],
  batch: number,
  phase: Phase,
): Promise<Omit<PhaseReport, "total">> {
  acks.clear();
  const startedAt = microseconds();
  const endsAt = startedAt + phase.seconds * 1e6;
  const limit = phase.bytes ?? Infinity;
  // Microseconds between two requests of one lane.
  const every = phase.rate === undefined
    ? 0
    : batch * lanes.length / phase.rate * 1e6;
  let events = 0, bytes = 0;
  await Promise.all(lanes.map(async (lane, i) => {
    let due = startedAt + every * i / lanes.length;
    while (bytes < limit) {
      const free = microseconds();
      if (Math.max(free, due) >= endsAt) break;
      // A lane that is late counts from when it should have sent; the timer's own lateness is the loader's, not the relay's.
      if (every > 0 && free < due) {
        await new Promise((r) => setTimeout(r, (due - free) / 1_000));
      }
      const isLate = every > 0 && free > due;
      // Not `bytes += await`: that adds to what it was before the wait, and the lanes take turns meanwhile.
      const sent = await lane.send(isLate ? due : microseconds());
      bytes += sent;
      events += batch;
      due += every;
    }
  }));
  return {
    events,
    seconds: (microseconds() - startedAt) / 1e6,
    startedAt,
    ackP50: acks.quantile(0.5),
    ackP99: acks.quantile(0.99),
  };
}

if (import.meta.main) {
  const options: LoaderOptions = JSON.parse(Deno.args[0] ?? "{}");
  const lanes: Lane[] = [];
  for (let i = 0; i < options.connections; i++) {
    const conn = await Deno.connect({
      hostname: "127.0.0.1",
      port: options.port,
    });
    conn.setNoDelay(ON);
    lanes.push(new Lane(conn, i, options));
  }
  say({ ready: true });
  let total = 0;
  for await (const line of lines(Deno.stdin.readable)) {
    const report = await run(lanes, options.batch, JSON.parse(line));
    total += report.events;
    say({ ...report, total });
  }
  for (const lane of lanes) lane.close();
}
