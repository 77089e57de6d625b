import { ok } from "node:assert/strict";
import { Turns } from "../../lib/turns.ts";
import { ManualClock } from "../support/manual_clock.ts";

Deno.test("Turns: a turn is over after 5 ms; the next begins when others had theirs", async () => {
  const clock = new ManualClock();
  const turns = new Turns(clock);
  ok(!turns.isOver);
  clock.advance(4);
  ok(!turns.isOver);
  clock.advance(1);
  ok(turns.isOver);
  const next = turns.next();
  clock.advance(3);
  await next;
  ok(!turns.isOver);
  clock.advance(5);
  ok(turns.isOver);
});
