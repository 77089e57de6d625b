/**
 * The shared test data: events, HEC bodies, parser verdicts. It is not part of this repository; where it is absent,
 * tests that need it say so (`needsTestData`) and are reported as ignored.
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, inflateRawSync, inflateSync } from "node:zlib";

/** One body of `hec/index.json`. Offsets and spans are bytes of the decoded body. */
export interface HecBody {
  readonly file: string;
  readonly endpoint: "event" | "raw";
  readonly content_type: string | null;
  readonly content_encoding: "gzip" | "deflate" | null;
  /** "policy": a receiver has to choose. */
  readonly valid: boolean | "policy";
  /** Events that a lenient receiver takes. */
  readonly events: number;
  /** Absent for raw bodies and for those that cannot be decoded. */
  readonly json_well_formed?: boolean;
  readonly json_values?: number;
  readonly json_fault_offset?: number | null;
  readonly value_spans?: readonly (readonly [number, number])[];
  readonly complete_values_before_fault?: number;
  readonly splunk_code: number | null;
  readonly bytes: number;
  readonly decoded_bytes: number | null;
  readonly sha256: string;
  readonly remark: string;
}

/** One JSON text of the parser conformance corpus. */
export interface JsonVerdict {
  readonly name: string;
  readonly dir: string;
  readonly verdict: "accept" | "reject" | "either" | "transform";
  readonly rfc8259_strict_utf8: boolean;
  readonly bytes: Uint8Array;
}

const root = new URL("../../", import.meta.url);

/** The data directory: `HECATE_TEST_DATA`, by default `../shared/data` beside the repository; undefined when absent. */
export function testDataDirectory(): string | undefined {
  const named = Deno.env.get("HECATE_TEST_DATA");
  const directory = named
    ? named
    : fileURLToPath(new URL("../shared/data", root));
  try {
    return Deno.statSync(directory).isDirectory ? directory : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A test over the shared data. Where the data is absent it is reported as ignored, under a name that says why.
 * `body` gets the data directory.
 */
export function needsTestData(
  name: string,
  body: (directory: string, t: Deno.TestContext) => void | Promise<void>,
): void {
  const directory = testDataDirectory();
  if (directory === undefined) {
    Deno.test({
      name: `${name} [skipped: no test data, set HECATE_TEST_DATA]`,
      ignore: true,
      fn: () => {},
    });
    return;
  }
  Deno.test(name, (t) => body(directory, t));
}

/** The rows of `hec/index.json`. */
export function readHecIndex(directory: string): readonly HecBody[] {
  return JSON.parse(
    Deno.readTextFileSync(join(directory, "hec", "index.json")),
  ).bodies;
}

/** A body of `hec/` as it goes over the wire. */
export function readHecBody(directory: string, body: HecBody): Uint8Array {
  return Deno.readFileSync(join(directory, "hec", body.file));
}

/**
 * The body of `hec/` that the index's offsets refer to: its content encoding undone where the bytes have it (some
 * bodies declare one that they do not have). @throws where the encoding is broken
 */
export function readDecodedHecBody(
  directory: string,
  body: HecBody,
): Uint8Array {
  const bytes = readHecBody(directory, body);
  if (body.content_encoding === "gzip" && bytes[0] === 0x1f) {
    return gunzipSync(bytes);
  }
  if (body.content_encoding === "deflate") {
    return bytes[0] === 0x78 ? inflateSync(bytes) : inflateRawSync(bytes);
  }
  return bytes;
}

/** The 340 texts of `jsontestsuite/`. */
export function readJsonVerdicts(directory: string): readonly JsonVerdict[] {
  const lines = Deno.readTextFileSync(
    join(directory, "jsontestsuite", "jsontestsuite.ndjson"),
  ).split("\n");
  return lines.filter((line) => line !== "").map((line) => {
    const { base64, ...row } = JSON.parse(line);
    return {
      ...row,
      bytes: Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)),
    };
  });
}

/** Names of the files in `events/` with this ending (`.ndjson` is JSON, one event a line; `.log` is text). */
export function listEventFiles(
  directory: string,
  ending: ".ndjson" | ".log",
): readonly string[] {
  return [...Deno.readDirSync(join(directory, "events"))]
    .map((entry) => entry.name).filter((name) => name.endsWith(ending)).sort();
}

/** The lines of one file of `events/`, without their line ends, as bytes. */
export function readEventLines(
  directory: string,
  file: string,
): readonly Uint8Array[] {
  const bytes = Deno.readFileSync(join(directory, "events", file));
  const lines: Uint8Array[] = [];
  let start = 0;
  while (start < bytes.length) {
    const found = bytes.indexOf(0x0a, start);
    const end = found < 0 ? bytes.length : found;
    if (end > start) lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}
