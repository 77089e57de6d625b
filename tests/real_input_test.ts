import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { membersOf, splitLines, splitValues } from "../lib/demo/source_text.ts";
import { startDemoSiem } from "../lib/demo/siem.ts";
import { eventFixtures, lineFixtures } from "./fixtures/events.ts";
import { poll } from "./support/poll.ts";
import { startRelay } from "./support/processes.ts";
import {
  listEventFiles,
  needsTestData,
  readDecodedHecBody,
  readEventLines,
  readHecBody,
  readHecIndex,
} from "./support/test_data.ts";

/** Real events, posted to a real relay, at three SIEMs that check what their vendors check: every byte, in order. */

const CONNECTORS = ["splunk", "crowdstrike", "hec"];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Post {
  readonly path: "event" | "raw";
  readonly body: Uint8Array;
  readonly encoding?: string | null;
  /** The events' bytes, as each connector has to send them. */
  readonly events: readonly Uint8Array[];
}

/** Posts all, waits until all have arrived, and compares the SHA-256 of each event, in order, per connector. */
async function arrivesWhole(posts: readonly Post[]): Promise<number> {
  await using siem = await startDemoSiem();
  const folder = await Deno.makeTempDir({ prefix: "hecate-real-" });
  try {
    await using relay = await startRelay({
      env: {
        ...siem.environment(),
        HECATE_KV: `${folder}/hecate.kv`,
        HECATE_TOKENS: "real=hct_real",
        HECATE_ADMIN_TOKEN: "hca_real",
      },
    });
    const expected: Uint8Array[] = [];
    for (const { path, body, encoding, events } of posts) {
      const reply = await fetch(`${relay.url}/services/collector/${path}`, {
        method: "POST",
        headers: {
          Authorization: "Splunk hct_real",
          ...(encoding ? { "Content-Encoding": encoding } : {}),
        },
        body: body.slice(),
      });
      const text = await reply.text();
      assert.equal(reply.status, 200, text);
      for (const event of events) expected.push(event);
    }
    await siem.until(expected.length, { timeout: 120_000 });
    for (const name of CONNECTORS) {
      const arrived = siem.received(name);
      assert.equal(
        arrived.length,
        expected.length,
        `${name}: number of events`,
      );
      expected.forEach((event, place) => {
        const arrival = arrived[place];
        if (arrival?.sha256 === sha256(event)) return;
        // Line formats put an event that came over several lines on one: breaks between tokens become a space or nothing.
        const isOneLine = ["", " "].some((gap) =>
          arrival?.sha256 ===
            sha256(
              encoder.encode(decoder.decode(event).replace(/\r\n|\r|\n/g, gap)),
            )
        );
        const mayBeOneLine = name === "hec" &&
          (event.includes(10) || event.includes(13));
        assert.ok(
          mayBeOneLine && isOneLine,
          `${name}: event ${place} was changed:\n${
            decoder.decode(event).slice(0, 300)
          }\n${
            decoder.decode(arrival?.event ?? new Uint8Array()).slice(0, 300)
          }`,
        );
      });
      assert.deepEqual(
        siem.target(name).complaints,
        [],
        `${name} found fault with the requests`,
      );
    }
    // The last batch's answer may still be on its way into the books.
    const status = await poll(async () => {
      const report = await (await fetch(`${relay.url}/api/v1/status`, {
        headers: { Authorization: "Bearer hca_real" },
      })).json();
      return report.connectors.every((one: { waiting: number }) =>
          one.waiting === 0
        )
        ? report
        : undefined;
    });
    for (const connector of status.connectors) {
      assert.equal(connector.accepted, expected.length, connector.name);
      assert.equal(connector.delivered, expected.length, connector.name);
    }
    return expected.length;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A line of text as JSON writes it. */
function asJson(line: Uint8Array): Uint8Array {
  return encoder.encode(
    JSON.stringify(new TextDecoder("utf-8", { ignoreBOM: true }).decode(line)),
  );
}

/** Events a hundred to a request. */
function envelopes(lines: readonly Uint8Array[]): Post[] {
  const posts: Post[] = [];
  for (let at = 0; at < lines.length; at += 100) {
    const events = lines.slice(at, at + 100);
    const body = encoder.encode(
      events.map((event) => `{"event":${decoder.decode(event)}}`).join("\n"),
    );
    posts.push({ path: "event", body, events });
  }
  return posts;
}

Deno.test("real input: our own event of each kind arrives byte for byte, in order, at all three", async () => {
  const events = eventFixtures();
  assert.ok(events.length >= 20);
  await arrivesWhole([
    ...events.map(({ envelope, event }): Post => ({
      path: "event",
      body: encoder.encode(envelope),
      events: [encoder.encode(event)],
    })),
    ...lineFixtures().map(({ line }): Post => ({
      path: "raw",
      body: line,
      events: [asJson(line)],
    })),
  ]);
});

needsTestData(
  "real input: every event of data/events arrives byte for byte, in order, at all three",
  async (directory) => {
    const posts: Post[] = [];
    for (const file of listEventFiles(directory, ".ndjson")) {
      posts.push(...envelopes(readEventLines(directory, file)));
    }
    for (const file of listEventFiles(directory, ".log")) {
      const lines = readEventLines(directory, file);
      posts.push({
        path: "raw",
        body: Deno.readFileSync(`${directory}/events/${file}`),
        events: lines.map((line) =>
          asJson(line.at(-1) === 13 ? line.subarray(0, -1) : line)
        ),
      });
    }
    const count = await arrivesWhole(posts);
    assert.ok(count >= 8000, `${count} events`);
  },
);

needsTestData(
  "real input: the valid bodies of data/hec arrive byte for byte, in order, at all three",
  async (directory) => {
    const posts: Post[] = [];
    for (const body of readHecIndex(directory)) {
      if (body.valid !== true) continue;
      const decoded = readDecodedHecBody(directory, body);
      const events = body.endpoint === "raw"
        ? splitLines(decoded).map(asJson)
        : splitValues(decoded).values.map((value) => {
          const event = membersOf(value)?.get("event");
          assert.ok(event, `${body.file} has an envelope without an event`);
          return event;
        });
      assert.equal(events.length, body.events, body.file);
      posts.push({
        path: body.endpoint,
        body: readHecBody(directory, body),
        encoding: body.content_encoding,
        events,
      });
    }
    await arrivesWhole(posts);
  },
);
