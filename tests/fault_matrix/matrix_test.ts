/** Nine connectors and every fault: outcome, books and state as `table.ts` says. */

import assert from "node:assert/strict";
import { makeCertificates } from "../support/certificates.ts";
import { runCell, TYPES } from "./cell.ts";
import { expectation, MATRIX } from "./table.ts";

const certificates = await makeCertificates();
if (certificates === undefined) {
  // deno-lint-ignore no-console -- a skipped test says why
  console.log("skipped: cells of TLS need `openssl` on the PATH");
}

for (const [name, row] of Object.entries(MATRIX)) {
  const { cause } = row;
  if (cause.way === "dns") continue;
  for (const type of Object.keys(TYPES)) {
    const expected = expectation(row, type);
    if (expected === undefined) continue;
    Deno.test({
      name: `${type} and ${name}: ${expected.state}, ${expected.reason}`,
      ignore: cause.way === "certificate" && certificates === undefined,
      fn: () => runCell(type, cause, expected, certificates),
    });
  }
}

Deno.test("every connector and DNS: retrying, dns", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-check", "--allow-all"],
      new URL("dns.ts", import.meta.url).pathname,
    ],
    env: { NO_PROXY: "*", NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  assert.equal(code, 0, text.decode(stderr));
  assert.deepEqual(
    text.decode(stdout).trim().split("\n"),
    Object.keys(TYPES),
  );
});
