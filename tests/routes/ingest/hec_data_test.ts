/** Every body of the shared data, posted with a token of Splunk's face. */

import { Buffer } from "node:buffer";

import assert from "node:assert/strict";
import {
  type HecBody,
  needsTestData,
  readDecodedHecBody,
  readHecBody,
  readHecIndex,
} from "../../support/test_data.ts";
import { openRelay } from "../../support/hec_relay.ts";

/**
 * What we decide where the data leave it open (or say otherwise than interface.md): code, kept events. Listed by file,
 * or by the beginning of its name with a star.
 */
const DECISIONS: Readonly<Record<string, readonly [number, number]>> = {
  "fields-not-object.json": [6, 0],
  "unknown-envelope-keys.json": [0, 1],
  "sticky-metadata.json": [0, 3],
  "time-milliseconds.json": [0, 1],
  "time-nanoseconds.json": [0, 1],
  "time-negative.json": [0, 1],
  "time-null.json": [0, 1],
  "time-iso-string.json": [15, 0],
  "time-word.json": [15, 0],
  "time-bool.json": [15, 0],
  "time-object.json": [15, 0],
  "time-exponent-huge.json": [15, 0],
  "event-number.json": [0, 1],
  "event-bool.json": [0, 1],
  "event-zero.json": [0, 1],
  "event-array.json": [0, 1],
  "event-null.json": [12, 0],
  "event-empty-object.json": [13, 0],
  "event-whitespace.json": [13, 0],
  "array-of-3.json": [0, 3],
  "array-empty.json": [5, 0],
  "arrays-concatenated.json": [0, 3],
  "array-then-object.json": [0, 3],
  "lone-surrogate-*": [0, 1],
  "surrogates-swapped.json": [0, 1],
  "number-overflow.json": [0, 1],
  "dup-key-*": [0, 1],
  "depth-512.json": [0, 1],
  "depth-1000.json": [0, 1],
  "depth-10000*": [0, 1],
  "tiny-events-2000.json": [0, 2000],
  "bom-first.json": [6, 0],
  "bom-only.json": [6, 0],
  "bad-utf8-*": [6, 0],
  "scalar-*": [6, 0],
  "gzip-declared-plain-sent.json": [6, 0],
  "gzip-truncated.json.gz": [6, 0],
  "gzip-bad-crc.json.gz": [6, 0],
  "gzip-trailing-garbage.json.gz": [6, 0],
  "deflate-*": [6, 0],
  "gzip-ratio-1000.json.gz": [6, 0],
  "raw-json-pretty.json": [0, 68],
  "raw-nul-bytes.txt": [0, 2],
  "raw-invalid-utf8.txt": [0, 2],
  "raw-cr-only.txt": [0, 1],
  "raw-multiline-stack.txt": [0, 4],
};

function decisionFor(file: string): readonly [number, number] | undefined {
  for (const [name, decision] of Object.entries(DECISIONS)) {
    if (name === file) return decision;
    if (name.endsWith("*") && file.startsWith(name.slice(0, -1))) {
      return decision;
    }
  }
  return undefined;
}

/** Code and kept events that the index asks for, or that we decided. */
function expectedFor(body: HecBody): readonly [number, number] {
  const isOpen = body.splunk_code === null ||
    body.file === "fields-not-object.json";
  if (isOpen) {
    const decision = decisionFor(body.file);
    assert.ok(decision !== undefined, `no decision for ${body.file}`);
    return decision;
  }
  if (body.splunk_code === 0) return [0, body.events];
  return [body.splunk_code ?? 0, keptBefore(body)];
}

/** Good events before the fault: what prefix semantics keep. */
function keptBefore(body: HecBody): number {
  if (body.complete_values_before_fault !== undefined) {
    return body.complete_values_before_fault;
  }
  return /-second|array-mixed/.test(body.file) ? 1 : 0;
}

needsTestData(
  "every body of data/hec gets its code, and its good events are kept to the byte",
  async (directory) => {
    await using relay = await openRelay();
    const faults: string[] = [];
    for (const body of readHecIndex(directory)) {
      const headers: Record<string, string> = {
        Authorization: "Splunk hct_splunk",
      };
      if (body.content_type !== null) {
        headers["Content-Type"] = body.content_type;
      }
      if (body.content_encoding !== null) {
        headers["Content-Encoding"] = body.content_encoding;
      }
      const reply = await relay.post(
        `/${body.endpoint}`,
        readHecBody(directory, body),
        headers,
      );
      const kept = await relay.events();
      const [code, count] = expectedFor(body);
      if (reply.code !== code || kept.length !== count) {
        faults.push(
          `${body.file}: code ${reply.code}, kept ${kept.length}; expected ${code}, ${count}`,
        );
      }
      const isPlain = body.value_spans !== undefined &&
        body.value_spans.length === kept.length && body.endpoint === "event";
      if (!isPlain) continue;
      const text = readDecodedHecBody(directory, body);
      body.value_spans?.forEach(([start, end], at) => {
        const envelope = text.subarray(start, end);
        const event = kept[at]?.bytes ?? new Uint8Array();
        if (indexOf(envelope, event) < 0) {
          faults.push(`${body.file}: event ${at} is not in its envelope`);
        }
      });
    }
    assert.deepEqual(faults, []);
  },
);

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  return Buffer.from(bytes).indexOf(part);
}
