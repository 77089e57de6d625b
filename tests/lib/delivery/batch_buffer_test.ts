import assert from "node:assert/strict";
import { BatchBuffer } from "../../../lib/delivery/batch_buffer.ts";

const text = (buffer: BatchBuffer) => new TextDecoder().decode(buffer.body());
const bytes = (value: string) => new TextEncoder().encode(value);
const COMMA = bytes(",");

function write(buffer: BatchBuffer, events: readonly string[]): void {
  for (const [place, event] of events.entries()) {
    buffer.begin(COMMA);
    buffer.literal(bytes(event));
    if (!buffer.end(place)) break;
  }
}

Deno.test("BatchBuffer joins events by the separator and knows their places", () => {
  const buffer = new BatchBuffer({ events: 9, bytes: 100, eventBytes: 50 });
  buffer.trailer = 1;
  buffer.literal(bytes("["));
  write(buffer, ["a", "bb", "ccc"]);
  buffer.byte(0x5d);
  assert.equal(text(buffer), "[a,bb,ccc]");
  assert.deepEqual(buffer.places, [0, 1, 2]);
  assert.equal(buffer.count, 3);
});

Deno.test("BatchBuffer.end() takes the event out that does not fit, trailer counted", () => {
  const buffer = new BatchBuffer({ events: 9, bytes: 6, eventBytes: 50 });
  write(buffer, ["aa", "bbb", "c"]);
  assert.equal(text(buffer), "aa,bbb");
  assert.equal(buffer.count, 2);
  buffer.reset();
  buffer.trailer = 1;
  write(buffer, ["aa", "bbb", "c"]);
  assert.equal(text(buffer), "aa");
  assert.equal(buffer.count, 1);
});

Deno.test("BatchBuffer.end() takes a lone event beyond the body's limit", () => {
  const buffer = new BatchBuffer({ events: 9, bytes: 4, eventBytes: 50 });
  write(buffer, ["aaaaaaaa", "b"]);
  assert.equal(text(buffer), "aaaaaaaa");
  assert.equal(buffer.count, 1);
});

Deno.test("BatchBuffer.end() refuses an event over its own limit and goes on", () => {
  const buffer = new BatchBuffer({ events: 9, bytes: 40, eventBytes: 4 });
  write(buffer, ["aa", "bbbbb", "cc"]);
  assert.equal(text(buffer), "aa,cc");
  assert.deepEqual(buffer.places, [0, 2]);
  assert.equal(buffer.count, 3);
  assert.deepEqual(buffer.refusals, [{
    at: 1,
    reason: "too_large",
    message: "The event takes 5 bytes; the most that fits is 4.",
  }]);
});

Deno.test("BatchBuffer knows places, positions and ends of many events with gaps between them, body after body", () => {
  const buffer = new BatchBuffer({ events: 1e6, bytes: 1e6, eventBytes: 50 });
  for (const gap of [7, 1_000, 2]) {
    buffer.reset();
    const places: number[] = [], ends: number[] = [];
    for (let place = 0; place < 500; place++) {
      buffer.begin(COMMA);
      buffer.literal(bytes(`${place}`));
      if (place % gap === 0) {
        buffer.refuse(place, "unencodable", "no");
        continue;
      }
      assert.ok(buffer.end(place));
      places.push(place);
      ends.push(buffer.length);
    }
    assert.equal(buffer.count, 500);
    assert.equal(buffer.events, places.length);
    assert.deepEqual(buffer.places, places);
    assert.deepEqual([...buffer.ends], ends);
    for (let place = -1; place <= 500; place++) {
      assert.equal(buffer.positionOf(place), places.indexOf(place));
    }
  }
  buffer.reset();
  assert.ok(buffer.empty);
  assert.deepEqual([buffer.places, [...buffer.ends]], [[], []]);
  assert.equal(buffer.positionOf(1), -1);
});

Deno.test("BatchBuffer.end() stops at the number of events", () => {
  const buffer = new BatchBuffer({ events: 2, bytes: 40, eventBytes: 4 });
  write(buffer, ["a", "b", "c"]);
  assert.equal(text(buffer), "a,b");
  assert.equal(buffer.count, 2);
});

Deno.test("BatchBuffer.refuse() takes out what was written of the event, its separator too", () => {
  const buffer = new BatchBuffer({ events: 9, bytes: 40, eventBytes: 40 });
  write(buffer, ["a"]);
  buffer.begin(COMMA);
  buffer.literal(bytes("half"));
  buffer.refuse(1, "unencodable", "no");
  assert.equal(text(buffer), "a");
  assert.equal(buffer.count, 2);
});

Deno.test("BatchBuffer grows, and gives an outsized backing back at reset()", () => {
  const buffer = new BatchBuffer({ events: 9, bytes: 4, eventBytes: 1e9 });
  const big = new Uint8Array(300_000).fill(0x61);
  buffer.begin();
  buffer.copy(big, 0, big.length);
  assert.ok(buffer.end(0));
  assert.deepEqual(buffer.body(), big);
  buffer.reset();
  assert.equal(buffer.bytes.length, 64 * 1024);
  assert.ok(buffer.empty);
});

Deno.test("BatchBuffer.release() gives the body back and keeps what was written of it; the next one has the room at once", () => {
  const buffer = new BatchBuffer({ events: 9, bytes: 2e5, eventBytes: 1e9 });
  write(buffer, ["a".repeat(150_000), "b"]);
  const { length } = buffer.bytes;
  buffer.release();
  assert.equal(buffer.bytes.length, 0);
  assert.throws(() => buffer.body(), TypeError, "never as an empty body");
  assert.throws(() => buffer.room(1), TypeError, "nor written on");
  assert.deepEqual([buffer.events, buffer.places], [2, [0, 1]]);
  buffer.reset();
  assert.equal(buffer.bytes.length, length);
  write(buffer, ["c"]);
  assert.equal(text(buffer), "c");
});
