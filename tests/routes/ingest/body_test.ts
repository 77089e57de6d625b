/** Bodies of several chunks with a declared length: read into one buffer, whatever becomes of the client. */

import assert from "node:assert/strict";
import { type Body, BodyReader } from "../../../routes/ingest/body.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const LENGTH = 200_000;
const LIMITS = { maxBody: 1 << 24, maxInflight: 300_000 };
const PATIENCE = { idle: 60_000, total: 600_000 };
const BODY = Uint8Array.from({ length: LENGTH }, (_, i) => i % 251);

/** A body of the kind that Deno's server gives, fed by hand. */
class Client {
  readonly request: Request;
  /** Resolves when the relay reads no further. */
  readonly left: Promise<void>;
  #controller: ReadableByteStreamController | undefined;
  #wanted = Promise.withResolvers<void>();
  #answered = Promise.withResolvers<void>();

  constructor(declared: number) {
    const left = Promise.withResolvers<void>();
    this.left = left.promise;
    const body = new ReadableStream({
      type: "bytes",
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        this.#answered = Promise.withResolvers();
        this.#wanted.resolve();
        // The next pull comes once this one's bytes are in.
        return this.#answered.promise;
      },
      cancel: () => left.resolve(),
    });
    this.request = new Request("http://relay/", {
      method: "POST",
      headers: { "Content-Length": `${declared}` },
      body,
    });
  }

  /** Resolves once the relay has taken the bytes and wants more, or wants no more. */
  async push(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      await this.#wanted.promise;
      const view = this.#controller?.byobRequest?.view;
      assert.ok(view, "a read that brings its buffer");
      const into = new Uint8Array(
        view.buffer,
        view.byteOffset,
        view.byteLength,
      );
      const part = bytes.subarray(at, at + into.length);
      into.set(part);
      at += part.length;
      this.#wanted = Promise.withResolvers();
      this.#controller?.byobRequest?.respond(part.length);
      this.#answered.resolve();
    }
    await Promise.race([this.#wanted.promise, this.left]);
  }

  end(): void {
    this.#controller?.close();
    this.#controller?.byobRequest?.respond(0);
    this.#answered.resolve();
  }

  fail(): void {
    this.#controller?.error(new Error("cut"));
    this.#answered.resolve();
  }
}

/** Opens a reader, lets `act` happen to a body of `LENGTH` bytes, and checks that no room is lost. */
async function read(
  act: (
    client: Client,
    parts: { readonly clock: ManualClock; readonly bodies: BodyReader },
  ) => Promise<void>,
): Promise<Body> {
  const clock = new ManualClock();
  const bodies = new BodyReader(clock, LIMITS, PATIENCE);
  const client = new Client(LENGTH);
  const reading = bodies.read(client.request);
  await act(client, { clock, bodies });
  const body = await reading;
  bodies.release(body);
  assert.equal(bodies.held, 0);
  bodies.close();
  return body;
}

function assertBody(body: Body, kind: string, bytes: Uint8Array): void {
  assert.equal(body.kind, kind);
  assert.ok("bytes" in body);
  assert.deepEqual(body.bytes, bytes);
}

for (const piece of [LENGTH, 131_072, 65_536, 9_973]) {
  Deno.test(`read() puts together a body that comes in pieces of ${piece} bytes`, async () => {
    const body = await read(async (client) => {
      for (let at = 0; at < LENGTH; at += piece) {
        await client.push(BODY.subarray(at, at + piece));
      }
      client.end();
    });
    assertBody(body, "whole", BODY);
  });
}

Deno.test("read() counts a declared length from the start, and refuses what finds no room", async () => {
  const body = await read(async (client, { bodies }) => {
    assert.equal(bodies.held, LENGTH);
    const second = new Client(LENGTH);
    assert.deepEqual(await bodies.read(second.request), { kind: "busy" });
    await second.left;
    assert.equal(bodies.held, LENGTH);
    await client.push(BODY);
    client.end();
  });
  assertBody(body, "whole", BODY);
});

for (const came of [0, 1, 70_000, LENGTH]) {
  Deno.test(`read() gives what came before the client was cut off: ${came} bytes`, async () => {
    for (const how of ["fail", "end"] as const) {
      const body = await read(async (client) => {
        await client.push(BODY.subarray(0, came));
        client[how]();
      });
      const kind = how === "end" && came === LENGTH ? "whole" : "gone";
      assertBody(body, kind, BODY.subarray(0, came));
    }
  });

  Deno.test(`read() gives what came before the client fell silent: ${came} bytes`, async () => {
    const body = await read(async (client, { clock, bodies }) => {
      for (const half of [came >> 1, came - (came >> 1)]) {
        await client.push(BODY.subarray(0, half));
        for (let second = 0; second < 30; second++) {
          await clock.untilSleeping();
          clock.advance(1_000);
        }
      }
      assert.equal(bodies.held, LENGTH);
      for (let second = 0; second < 31; second++) {
        await Promise.race([clock.untilSleeping(), client.left]);
        clock.advance(1_000);
      }
    });
    assert.equal(body.kind, "slow");
    assert.ok("bytes" in body);
    assert.equal(body.bytes.length, came);
  });
}

Deno.test("read() takes no body that is longer than it was declared", async () => {
  const body = await read(async (client) => {
    await client.push(BODY);
    await client.push(Uint8Array.of(1));
    await client.left;
  });
  assert.deepEqual(body, { kind: "broken" });
});
