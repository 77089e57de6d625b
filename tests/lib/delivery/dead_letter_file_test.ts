import assert from "node:assert/strict";
import {
  DeadLetterFile,
  deadLetterLine,
} from "../../../lib/delivery/dead_letter_file.ts";
import { EventView } from "../../../lib/event.ts";
import { jsonLogger, silentLogger } from "../../../lib/logger.ts";
import { madeSegment } from "../../support/made_segment.ts";

const NOTE = {
  at: Date.UTC(2026, 2, 13, 0, 0, 0, 123),
  connector: "splunk",
  error: 'HTTP 400, code 6: "bad"',
  reason: "rejected",
  attempts: 2,
};
const view = new EventView();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function line(event: string, kind: "json" | "raw" = "json"): string {
  const isRaw = kind === "raw";
  return text(deadLetterLine(
    view.at(
      madeSegment({
        number: 1234,
        events: ["0", event],
        isRaw,
        ...!isRaw && { host: '"h"', time: "1.50" },
      }),
      1,
    ),
    NOTE,
  ));
}

Deno.test("deadLetterLine() writes the seed's keys first, the event byte for byte", () => {
  assert.equal(
    line('{"id":12345678901234567890,"n":1.0,"a":1e400,"a":"\\u0041/\\/"}'),
    '{"timestamp":"2026-03-13T00:00:00.123Z","connector":"splunk",' +
      '"error":"HTTP 400, code 6: \\"bad\\"",' +
      '"event":{"id":12345678901234567890,"n":1.0,"a":1e400,"a":"\\u0041/\\/"},' +
      '"reason":"rejected","attempts":2,"envelope":{"host":"h","time":1.50},' +
      '"id":"00000000000004d20000-1"}\n',
  );
});

Deno.test("deadLetterLine() puts an event of several lines on one", () => {
  const printed = '{\r\n  "a": "x\\ny",\n\r"b": []}';
  const written = line(printed);
  assert.equal(written.indexOf("\n"), written.length - 1);
  assert.ok(written.includes('{   "a": "x\\ny",  "b": []}'), written);
});

Deno.test("deadLetterLine() makes a line of text a JSON string", () => {
  const record: unknown = JSON.parse(line('\ufeffa "b" \\ \t<x>', "raw"));
  assert.ok(typeof record === "object" && record !== null && "event" in record);
  assert.equal(record.event, '\ufeffa "b" \\ \t<x>');
});

Deno.test("DeadLetterFile.append() makes folder and file, readable by the owner only", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/a/b/dead.jsonl`;
    const file = new DeadLetterFile(path, silentLogger);
    const lines = ["1\n", "2\n", "3\n"].map((l) => new TextEncoder().encode(l));
    await Promise.all([
      file.append(lines.slice(0, 2)),
      file.append(lines.slice(2)),
    ]);
    assert.equal(await Deno.readTextFile(path), "1\n2\n3\n");
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("DeadLetterFile.append() begins a new line behind a torn one, and comes back after rotation", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, '{"a":1}\n{"b');
    const file = new DeadLetterFile(path, silentLogger);
    await file.append([new TextEncoder().encode("2\n")]);
    assert.equal(await Deno.readTextFile(path), '{"a":1}\n{"b\n2\n');
    await Deno.remove(path);
    await file.append([new TextEncoder().encode("3\n")]);
    assert.equal(await Deno.readTextFile(path), "3\n");
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("DeadLetterFile.append() says once that it cannot write, and does not reject", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const said: string[] = [];
    const file = new DeadLetterFile(
      folder,
      jsonLogger({ level: "info", write: (l) => said.push(l), now: () => 0 }),
    );
    await file.append([new Uint8Array(1)]);
    await file.append([new Uint8Array(1)]);
    assert.equal(said.length, 1);
    assert.match(said[0] ?? "", /"delivery.dead".*kept in the store/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
