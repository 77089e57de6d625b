/**
 * The benchmark's events: HEC envelopes of about 800 bytes around OCSF-shaped JSON, with real entropy (hashes, ids, addresses).
 *
 * Each carries a mark: `~` (once per envelope, nowhere else), a 19-digit send time, the loader's lane and a running number.
 * It stands in the user's name, which every format carries once and none has to escape (CEF's `suser` too), so sinks find it
 * with one byte search and read it from fixed offsets, whatever a connector made of the event.
 */

/** The byte that every event holds exactly once: `~`. */
export const MARK = 0x7e;
/** Offsets from the mark's byte: `~1773360000123456000-007-0000000100`. */
export const TIME_AT = 1, LANE_AT = 21, SEQ_AT = 25;
/** Digits of the send time (nanoseconds since the Unix epoch), of the lane, of the running number. */
export const TIME_DIGITS = 19, LANE_DIGITS = 3, SEQ_DIGITS = 10;
/** The last two digits of the running number are the event's place in the template; the loader counts the ones before. */
export const PLACES = 100, PLACE_DIGITS = 2;

/** No two marks are closer than this: the search for the next one starts behind it (Deno's indexOf looks at one byte at a time). */
export const MIN_EVENT = 640;

/** Small seeded generator (mulberry32): numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Microseconds since the Unix epoch, comparable between processes of one machine. Below 2^53 until the year 2255. */
export function microseconds(): number {
  return Math.floor((performance.timeOrigin + performance.now()) * 1_000);
}

/** Writes `value` right-aligned in `digits` decimal digits. */
export function writeDigits(
  bytes: Uint8Array,
  at: number,
  digits: number,
  value: number,
): void {
  for (let i = at + digits - 1; i >= at; i--) {
    const next = Math.floor(value / 10);
    bytes[i] = 0x30 + value - next * 10;
    value = next;
  }
}

/** Reads `digits` decimal digits (at most 16, so that the number is exact). */
export function readDigits(
  bytes: Uint8Array,
  at: number,
  digits: number,
): number {
  let value = 0;
  for (let i = at; i < at + digits; i++) {
    value = value * 10 + (bytes[i] as number) - 0x30;
  }
  return value;
}

/** One envelope as text; `lane` and `place` (0 to 99) go into the mark, the time and the rest of the number stay zero. */
export function envelope(
  random: () => number,
  lane: number,
  place: number,
): string {
  const int = (n: number) => Math.floor(random() * n);
  const hex = (n: number) =>
    Array.from({ length: n }, () => int(16).toString(16)).join("");
  const ip = () => `10.${int(256)}.${int(256)}.${int(256)}`;
  const time = 1_773_360_000_000 + int(86_400_000);
  const activity = 1 + int(4), user = `user${1_000 + int(9_000)}`;
  const source = ip();
  const mark = `1${"0".repeat(TIME_DIGITS - 1)}-${
    String(lane).padStart(LANE_DIGITS, "0")
  }-${String(place).padStart(SEQ_DIGITS, "0")}`;
  const event = [
    `{"class_uid":3002,"category_uid":3,"activity_id":${activity},"type_uid":${
      300_200 + activity
    }`,
    `"severity_id":${1 + int(5)},"status_id":${1 + int(2)},"time":${time}`,
    `"message":"Sign-in of \\"${user}\\" allowed"`,
    `"metadata":{"version":"1.1.0","uid":"${
      hex(32)
    }","product":{"name":"Edge Gate","vendor_name":"Example"}}`,
    `"actor":{"user":{"name":"${user}~${mark}","type_id":1},"session":{"uid":"${
      hex(24)
    }","is_mfa":${int(2) === 1}}}`,
    `"src_endpoint":{"ip":"${source}","port":${
      1_024 + int(60_000)
    }},"dst_endpoint":{"ip":"${ip()}","port":443}`,
    `"process":{"pid":${
      int(65_536)
    },"file":{"hashes":[{"algorithm_id":3,"value":"${hex(64)}"}]}}`,
    `"observables":[{"name":"src_endpoint.ip","type_id":2,"value":"${source}"}]}`,
  ].join(",");
  return `{"time":${(time / 1_000).toFixed(3)},"host":"edge-${
    hex(4)
  }","source":"bench","sourcetype":"ocsf:auth","event":${event}}`;
}

/** A request's bytes, head and body, and where the mark of each of its events is. */
export interface RequestTemplate {
  readonly bytes: Uint8Array;
  readonly marks: readonly number[];
}

/** Builds a HEC request of `count` envelopes, one per line, with the places from `place` on. */
export function requestTemplate(options: {
  readonly random: () => number;
  readonly lane: number;
  readonly place: number;
  readonly count: number;
  readonly token: string;
}): RequestTemplate {
  const { random, lane, place, count, token } = options;
  const body = Array.from(
    { length: count },
    (_, i) => envelope(random, lane, place + i),
  ).join("\n");
  const head =
    `POST /services/collector/event HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Splunk ${token}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  const bytes = new TextEncoder().encode(head + body);
  if (bytes.length !== head.length + body.length) {
    throw new TypeError("Bench events must be ASCII");
  }
  const marks: number[] = [];
  for (
    let at = bytes.indexOf(MARK);
    at >= 0;
    at = bytes.indexOf(MARK, at + 1)
  ) marks.push(at);
  if (
    marks.length !== count ||
    marks.some((mark, i) => i > 0 && mark - (marks[i - 1] ?? 0) < MIN_EVENT)
  ) throw new TypeError(`Bad marks: ${marks}`);
  return { bytes, marks };
}
