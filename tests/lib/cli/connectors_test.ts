import assert from "node:assert/strict";
import { EVERY_PROTOCOL } from "../../../lib/demo/offer.ts";
import { startDemoSiem } from "../../../lib/demo/siem.ts";
import { commandLine } from "../../support/command_line.ts";

Deno.test("connectors test: the steps, then the diagnosis; exit 0, one event only when asked", async () => {
  await using siem = await startDemoSiem({ targets: EVERY_PROTOCOL });
  const env = siem.environment();
  const plain = await commandLine("connectors test splunk", env);
  assert.equal(plain.code, 0);
  assert.match(plain.out[0] ?? "", /^Test connection: splunk \(/);
  assert.match(plain.out[1] ?? "", /^Trying http:\/\/127\.0\.0\.1:\d+\/splunk/);
  assert.match(
    plain.out[2] ?? "",
    /^✓ Address given: 127\.0\.0\.1 \(\d+ ms\)$/,
  );
  assert.match(plain.out[3] ?? "", /^✓ Connected to .* \(\d+ ms\)$/);
  assert.match(plain.out[4] ?? "", /^✓ .* \(\d+ ms\)$/);
  assert.match(plain.out[5] ?? "", /^┌ It works\./);
  assert.match(plain.out.at(-1) ?? "", /^└ /);
  assert.equal(siem.received("splunk").length, 0);
  const asked = await commandLine("connectors test splunk --event -q", env);
  assert.equal(asked.code, 0);
  assert.match(asked.out[0] ?? "", /^✓ Address/);
  assert.equal(siem.received("splunk").length, 1);
});

Deno.test("connectors test: exit 7 when a step fails, 3 for an unknown name, 78 for a wrong configuration", async () => {
  await using siem = await startDemoSiem();
  const env = siem.environment();
  const wrong = await commandLine("connectors test splunk --json", {
    ...env,
    SPLUNK_HEC_TOKEN: "S3cr3t-wrong",
  });
  assert.equal(wrong.code, 7);
  assert.equal(wrong.out.length, 1);
  const report = JSON.parse(wrong.out[0] ?? "");
  assert.deepEqual(Object.keys(report), ["ok", "steps", "diagnosis"]);
  assert.ok(!report.ok);
  assert.deepEqual(Object.keys(report.steps[0]), [
    "name",
    "ok",
    "ms",
    "detail",
  ]);
  assert.ok(!wrong.out.join().includes("S3cr3t-wrong"));
  const unknown = await commandLine("connectors test splnk", env);
  assert.equal(unknown.code, 3);
  assert.deepEqual(unknown.err, [
    'hecate: no connector "splnk". Did you mean "splunk"?',
    "Configured: crowdstrike, hec, splunk.",
  ]);
  const none = await commandLine("connectors test x", {});
  assert.deepEqual(none.err.at(-1), "None is configured.");
  const broken = await commandLine("connectors test splunk", {
    SPLUNK_HEC_URL: "https://x.example",
  });
  assert.equal(broken.code, 78);
  assert.match(broken.err.join("\n"), /SPLUNK_HEC_TOKEN/);
  assert.equal((await commandLine("connectors test", env)).code, 2);
});

Deno.test("connectors test: sumo's address is shown by host and last four alone", async () => {
  const code = "ZaVnC4dhaV1-s3cr3t-Q9xY";
  const { out } = await commandLine("connectors test sumo", {
    SUMO_HTTP_SOURCE_URL: `http://127.0.0.1:9/receiver/v1/http/${code}`,
  });
  assert.match(out[1] ?? "", /^Trying http:\/\/127\.0\.0\.1:9\/…Q9xY now/);
  assert.ok(!out.join("\n").includes(code));
});

Deno.test("connectors list and test: what an address's query says is masked", async () => {
  const env = {
    HEC_URL: "http://127.0.0.1:9/in?token=s3cr3t-1",
    HEC_TOKEN: "hec-token",
  };
  for (const line of ["connectors list", "connectors test hec"]) {
    const told = await commandLine(line, env);
    const text = [...told.out, ...told.err].join("\n");
    assert.match(text, /127\.0\.0\.1:9\/in\?token=\*{8}/, line);
    assert.doesNotMatch(text, /s3cr3t-1/, line);
  }
});

Deno.test("connectors list: what is configured, where it leads, no secret", async () => {
  const env = {
    HEC_URL: "https://siem.example/logs",
    HEC_TOKEN: "S3cr3t-token",
    HEC_ENABLED: "false",
    QRADAR_SYSLOG_HOST: "qradar.example",
  };
  const table = await commandLine("connectors list", env);
  assert.equal(table.code, 0);
  assert.deepEqual(table.out.map((line) => line.split(/ {2,}/)), [
    ["NAME", "TYPE", "STATE", "TO", "FROM"],
    ["hec", "hec", "off", "https://siem.example/logs", "environment"],
    ["qradar", "qradar", "on", "qradar.example", "environment"],
  ]);
  const json = await commandLine("connectors list --json", env);
  assert.deepEqual(JSON.parse(json.out[0] ?? ""), {
    name: "hec",
    type: "hec",
    enabled: false,
    fed: true,
    to: "https://siem.example/logs",
    from: "environment",
  });
  assert.ok(!json.out.join().includes("S3cr3t"));
  assert.deepEqual((await commandLine("connectors list", {})).out, []);
});
