import assert from "node:assert/strict";
import type { Outcome } from "../../../lib/connector.ts";
import { Batch } from "../../../lib/delivery/batch.ts";
import { BatchBuffer } from "../../../lib/delivery/batch_buffer.ts";
import { EventRun, EventView } from "../../../lib/event.ts";
import { madeSegment } from "../../support/made_segment.ts";

const LIMITS = { events: 100, bytes: 1_000_000, eventBytes: 1_000_000 };
const SPLIT = { kind: "split", reason: "rejected", message: "no" } as const;
const BUSY = { kind: "retry", reason: "server", message: "503" } as const;
const HELD = { kind: "held", reason: "auth", message: "", help: "" } as const;
const reject = (...places: number[]) =>
  places.map((at) => ({
    at,
    reason: "rejected" as const,
    message: `no ${at}`,
  }));

/** Events `0`, `1`, … received at their own number of seconds. */
function made(count: number, from = 0): EventRun {
  const run = new EventRun();
  for (let n = from; n < from + count; n++) {
    run.push(
      madeSegment({ number: n + 1, events: [`${n}`], receivedAt: n * 1000 }),
      0,
    );
  }
  return run;
}

/** Writes each event's text; "x" events have no wire form. */
function encode(run: EventRun, into: BatchBuffer): void {
  const view = new EventView();
  for (let place = 0; place < run.count; place++) {
    into.begin();
    into.literal(run.view(place, view).event);
    if (!into.end(place)) break;
  }
}

const texts = (
  run: EventRun,
  places: readonly number[] = [...Array(run.count).keys()],
) =>
  places.map((place) =>
    new TextDecoder().decode(run.view(place, new EventView()).event)
  ).join(" ");

/** Sends until nothing is left or sending must pause; `answer` sees the events as "3 4 5". */
function drive(
  batch: Batch,
  answer: (sent: string, n: number) => Outcome,
  limits = LIMITS,
): { sent: string[]; pause: string | undefined } {
  const buffer = new BatchBuffer(limits), sent: string[] = [];
  let run = new EventRun();
  const write = (events: EventRun, into: BatchBuffer) => {
    run = events;
    encode(events, into);
  };
  while (batch.prepare(write, buffer)) {
    const body = texts(run, buffer.places);
    sent.push(body);
    const pause = batch.apply(answer(body, sent.length), buffer);
    if (pause !== undefined) return { sent, pause: pause.reason };
  }
  return { sent, pause: undefined };
}

function settled(batch: Batch) {
  const { run, delivered, expired, dead } = batch.settle();
  return {
    run: texts(run),
    delivered,
    expired,
    dead: dead.map(({ segment, index, attempts }) =>
      `${
        new TextDecoder().decode(new EventView().at(segment, index).event)
      }×${attempts}`
    ).join(" "),
  };
}

Deno.test("Batch: delivered settles all at once", () => {
  const batch = new Batch(made(3));
  assert.deepEqual(drive(batch, () => ({ kind: "delivered" })).sent, ["0 1 2"]);
  assert.ok(batch.isDecided && batch.taken);
  assert.deepEqual(settled(batch), {
    run: "0 1 2",
    delivered: 3,
    expired: 0,
    dead: "",
  });
  assert.equal(batch.count, 0);
});

Deno.test("Batch: rejected places die, pending ones go again at once (T03)", () => {
  const batch = new Batch(made(5));
  const { sent } = drive(
    batch,
    (_, n) =>
      n === 1
        ? { kind: "rejected", rejections: reject(2), pending: [3, 4] }
        : { kind: "delivered" },
  );
  assert.deepEqual(sent, ["0 1 2 3 4", "3 4"]);
  assert.deepEqual(settled(batch), {
    run: "0 1 2 3 4",
    delivered: 4,
    expired: 0,
    dead: "2×1",
  });
});

Deno.test("Batch: split halves in order down to the one poison event", () => {
  const batch = new Batch(made(8));
  const { sent } = drive(
    batch,
    (body) => body.split(" ").includes("5") ? SPLIT : { kind: "delivered" },
  );
  assert.deepEqual(sent, [
    "0 1 2 3 4 5 6 7",
    "0 1 2 3",
    "4 5 6 7",
    "4 5",
    "4",
    "5",
    "6 7",
  ]);
  assert.deepEqual(settled(batch), {
    run: "0 1 2 3 4 5 6 7",
    delivered: 7,
    expired: 0,
    dead: "5×4",
  });
});

Deno.test("Batch: nothing is settled while all that was sent was refused", () => {
  const batch = new Batch(made(3));
  drive(batch, () => ({ kind: "rejected", rejections: reject(0, 1, 2) }));
  assert.ok(batch.isDecided && !batch.taken);
  assert.equal(batch.refused, 3);
  assert.equal(settled(batch).run, "");
  assert.equal(batch.count, 3);
  batch.reopen();
  batch.extend(made(1, 3));
  const { sent } = drive(batch, () => ({
    kind: "rejected",
    rejections: reject(0, 1, 2),
  }));
  assert.deepEqual(sent, ["0 1 2 3"]);
  assert.deepEqual(settled(batch), {
    run: "0 1 2 3",
    delivered: 1,
    expired: 0,
    dead: "0×2 1×2 2×2",
  });
});

Deno.test("Batch: weather settles the decided beginning and repeats only what is pending", () => {
  const batch = new Batch(made(4));
  const first = drive(batch, () => ({ ...BUSY, pending: [1, 3] }));
  assert.deepEqual(first, { sent: ["0 1 2 3"], pause: "server" });
  assert.ok(batch.isProgress);
  assert.equal(settled(batch).run, "0");
  assert.deepEqual(drive(batch, () => ({ kind: "delivered" })).sent, ["1 3"]);
  assert.deepEqual(settled(batch), {
    run: "1 2 3",
    delivered: 3,
    expired: 0,
    dead: "",
  });
});

Deno.test("Batch: weather without a list means all that was not rejected", () => {
  const batch = new Batch(made(3));
  drive(batch, () => ({ ...BUSY, rejections: reject(0) }));
  assert.equal(settled(batch).run, "", "none was taken: the refusal waits");
  assert.deepEqual(drive(batch, () => ({ kind: "delivered" })).sent, ["1 2"]);
  assert.deepEqual(settled(batch).dead, "0×1");
});

Deno.test("Batch: weather in the middle of halving keeps the halves in order", () => {
  const batch = new Batch(made(4));
  drive(
    batch,
    (_, n) => n === 1 ? SPLIT : n === 2 ? { kind: "delivered" } : BUSY,
  );
  assert.equal(settled(batch).run, "0 1");
  assert.deepEqual(drive(batch, () => ({ kind: "delivered" })).sent, ["2 3"]);
});

Deno.test("Batch: weather that asks for less halves what is pending, a lone event stays whole", () => {
  const batch = new Batch(made(5));
  const SLOW = { ...BUSY, smaller: true } as const;
  assert.equal(drive(batch, () => SLOW).pause, "server");
  assert.ok(!batch.isProgress);
  assert.deepEqual(
    drive(batch, (_, n) => n === 1 ? { kind: "delivered" } : SLOW).sent,
    ["0 1 2", "3 4"],
  );
  assert.equal(settled(batch).run, "0 1 2");
  assert.deepEqual(drive(batch, () => SLOW).sent, ["3"]);
  assert.deepEqual(drive(batch, () => SLOW).sent, ["3"]);
  assert.deepEqual(
    drive(batch, () => ({ kind: "delivered" })).sent,
    ["3", "4"],
  );
  assert.deepEqual(settled(batch), {
    run: "3 4",
    delivered: 2,
    expired: 0,
    dead: "",
  });
});

Deno.test("Batch: only what is pending is halved", () => {
  const batch = new Batch(made(6));
  drive(batch, () => ({ ...BUSY, smaller: true, pending: [1, 3, 5] }));
  assert.deepEqual(
    drive(batch, () => ({ kind: "delivered" })).sent,
    ["1 3", "5"],
  );
});

Deno.test("Batch: a setup fault keeps everything pending", () => {
  const batch = new Batch(made(2));
  assert.equal(drive(batch, () => HELD).pause, "auth");
  assert.equal(settled(batch).run, "");
  assert.ok(!batch.isProgress);
});

Deno.test("Batch: an answer that decides nothing is weather, not a busy loop", () => {
  const batch = new Batch(made(2));
  const { sent, pause } = drive(batch, () => ({
    kind: "rejected",
    rejections: [],
    pending: [0, 1],
  }));
  assert.deepEqual([sent, pause], [["0 1"], "unclear"]);
});

Deno.test("Batch.apply() throws for an event that was not sent, and changes nothing", () => {
  const batch = new Batch(made(2)), buffer = new BatchBuffer(LIMITS);
  for (const places of [[2], [0, 0], [-1]]) {
    batch.prepare(encode, buffer);
    assert.throws(
      () =>
        batch.apply(
          { kind: "rejected", rejections: reject(...places) },
          buffer,
        ),
      TypeError,
    );
    assert.equal(settled(batch).run, "");
  }
});

Deno.test("Batch.prepare() leaves what does not fit to the next batch, and is full then", () => {
  const batch = new Batch(made(6));
  const { sent } = drive(batch, () => ({ kind: "delivered" }), {
    ...LIMITS,
    bytes: 4,
  });
  assert.deepEqual(sent, ["0 1 2 3"]);
  assert.ok(batch.full);
  assert.equal(settled(batch).run, "0 1 2 3");
});

Deno.test("Batch.prepare() takes an unfitting rest that is not the end in another attempt", () => {
  const batch = new Batch(made(4));
  drive(batch, () => ({ ...BUSY, pending: [0, 1, 2] }));
  const { sent } = drive(batch, () => ({ kind: "delivered" }), {
    ...LIMITS,
    bytes: 2,
  });
  assert.deepEqual(sent, ["0 1", "2"]);
  assert.equal(settled(batch).run, "0 1 2 3");
});

Deno.test("Batch: an event without a wire form dies unsent, also when nothing else was taken", () => {
  const batch = new Batch(made(12));
  const limits = { ...LIMITS, eventBytes: 1 };
  drive(batch, () => HELD, limits);
  assert.equal(settled(batch).run, "");
  drive(
    batch,
    () => ({ kind: "rejected", rejections: reject(...Array(10).keys()) }),
    limits,
  );
  assert.equal(batch.refused, 10, "10 and 11 take two bytes");
  const lone = new Batch(made(2, 10));
  assert.deepEqual(drive(lone, () => HELD, limits).sent, []);
  assert.ok(lone.isDecided);
  assert.deepEqual(settled(lone).dead, "10×0 11×0");
});

Deno.test("Batch.expire() gives up what waits too long, refused events in doubt too", () => {
  const batch = new Batch(made(4));
  drive(batch, () => ({ kind: "rejected", rejections: reject(0, 1, 2, 3) }));
  assert.equal(batch.expire(1000), 2);
  assert.deepEqual(settled(batch), {
    run: "0 1",
    delivered: 0,
    expired: 2,
    dead: "",
  });
  assert.equal(batch.refused, 2);
  batch.reopen();
  assert.equal(batch.expire(2000), 1);
  assert.deepEqual(drive(batch, () => ({ kind: "delivered" })).sent, ["3"]);
});

Deno.test("Batch: a connector that encodes nothing is a bug, not a loop", () => {
  const batch = new Batch(made(1));
  assert.throws(
    () => batch.prepare(() => {}, new BatchBuffer(LIMITS)),
    TypeError,
  );
});

Deno.test("Batch: a connector that passes over an event is a bug, and nothing has changed", () => {
  const batch = new Batch(made(3)), buffer = new BatchBuffer(LIMITS);
  const skip = (_run: EventRun, into: BatchBuffer) => {
    for (const place of [0, 2]) {
      into.begin();
      into.end(place);
    }
  };
  assert.throws(() => batch.prepare(skip, buffer), TypeError);
  assert.deepEqual(
    drive(batch, () => ({ kind: "delivered" })).sent,
    ["0 1 2"],
  );
  assert.equal(settled(batch).delivered, 3);
});
