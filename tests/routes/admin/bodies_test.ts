import assert from "node:assert/strict";
import { ADMIN_TOKEN, openRelay } from "../../support/hec_relay.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { connect } from "../../support/raw_http.ts";

const PATHS = [
  "/api/v1/dead-letters/discard",
  "/api/v1/dead-letters/import",
  "/api/v1/connectors/splunk/probe",
  "/api/v1/connectors/splunk/test",
];

Deno.test("readBytes(): a body without a byte for 60 s is answered 408, and nothing is done", async () => {
  for (const path of PATHS) {
    const clock = new ManualClock();
    let tests = 0;
    await using relay = await openRelay({
      clock,
      testConnector() {
        tests++;
        return Promise.resolve(undefined);
      },
    });
    using client = await connect(relay.serve());
    await client.send(
      `POST ${path} HTTP/1.1\r\nHost: x\r\n` +
        `Authorization: Bearer ${ADMIN_TOKEN}\r\nContent-Length: 1000\r\n\r\n`,
    );
    const reply = client.reply();
    let isAnswered = false;
    reply.then(() => isAnswered = true, () => isAnswered = true);
    for (let second = 0; second < 61; second++) {
      assert.ok(!isAnswered, "not before 60 s");
      await clock.untilSleeping();
      clock.advance(1_000);
    }
    const { status, text, headers } = await reply;
    assert.equal(status, 408, path);
    assert.match(text, /problems\/cut-off"/);
    assert.equal(headers.get("connection"), "close");
    assert.equal(tests, 0);
  }
});
