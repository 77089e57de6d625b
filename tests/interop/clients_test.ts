import assert from "node:assert/strict";
import { splitLines } from "../../lib/demo/source_text.ts";
import { startDemoSiem } from "../../lib/demo/siem.ts";
import { makeCertificates } from "../support/certificates.ts";
import { startRelay } from "../support/processes.ts";

/**
 * Unmodified clients against a real relay. CI installs them and says so (`HECATE_INTEROP_REQUIRED`); elsewhere their
 * tests are ignored where a client is missing.
 */

const python = Deno.env.get("HECATE_INTEROP_PYTHON");
const nodeModules = Deno.env.get("HECATE_INTEROP_NODE_MODULES");
const isRequired = Deno.env.has("HECATE_INTEROP_REQUIRED");
const here = new URL("./", import.meta.url).pathname;
const decoder = new TextDecoder();

async function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    env,
  }).output();
  assert.ok(success, decoder.decode(stderr) + decoder.decode(stdout));
  return decoder.decode(stdout);
}

Deno.test({
  name:
    "interop: FalconPy, unmodified and over TLS, delivers through the relay" +
    (python === undefined
      ? " (HECATE_INTEROP_PYTHON names no Python with FalconPy)"
      : ""),
  ignore: python === undefined && !isRequired,
  async fn() {
    const certificates = await makeCertificates();
    assert.ok(certificates, "openssl is needed");
    const folder = await Deno.makeTempDir({ prefix: "hecate-falconpy-" });
    try {
      const write = async (name: string, text: string) => {
        await Deno.writeTextFile(`${folder}/${name}`, text);
        return `${folder}/${name}`;
      };
      await using siem = await startDemoSiem();
      await using relay = await startRelay({
        env: {
          ...siem.environment(),
          HECATE_KV: `${folder}/hecate.kv`,
          HECATE_TOKENS: "falcon=hct_falcon",
          HECATE_ADMIN_TOKEN: "hca_falcon",
          HECATE_TLS_CERT: await write("cert.pem", certificates.good.cert),
          HECATE_TLS_KEY: await write("key.pem", certificates.good.key),
        },
      });
      const lines = Array.from(
        { length: 50 },
        (_, n) =>
          `{"event": {"timestamp": ${
            1747771778324434944n + BigInt(n)
          }, "n": ${n}}}`,
      );
      const output = await run(python ?? "python3", [
        `${here}falconpy_client.py`,
        `localhost:${relay.port}/k`,
        "hct_falcon",
        await write("events.ndjson", lines.join("\n") + "\n"),
      ], { REQUESTS_CA_BUNDLE: await write("ca.pem", certificates.ca) });
      const report = JSON.parse(output);
      const success = [200, { text: "Success", code: 0 }];
      assert.deepEqual(report.test_connection, success);
      assert.deepEqual(report.send_event, success);
      assert.deepEqual(report.send_event_list_status, success);
      assert.deepEqual(report.send_event_file, success);
      await siem.until(1 + 1 + 20 + 50);
      for (const name of siem.targets.keys()) {
        const texts = siem.received(name).map(({ event }) =>
          decoder.decode(event)
        );
        assert.equal(texts.length, 72, name);
        assert.ok(
          texts.some((text) =>
            text.includes('"test": "connection"') ||
            text.includes('"test":"connection"')
          ),
          name,
        );
        assert.ok(
          texts.some((text) => /"big": ?9223372036854775807[,}]/.test(text)),
          `${name}: 19 digits`,
        );
        // Raw lines are text: JSON strings at the vendors.
        const raw = texts.filter((text) => text.startsWith('"')).map((text) =>
          String(JSON.parse(text))
        );
        assert.deepEqual(raw, lines, name);
      }
      assert.deepEqual(siem.target("crowdstrike").complaints, []);
      const fields = siem.received("crowdstrike").map(({ envelope }) =>
        decoder.decode(envelope)
      )
        .filter((envelope) => envelope.includes("#falconpy"));
      assert.equal(fields.length, 1);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name:
    "interop: npm splunk-logging, unmodified, delivers through the relay over HTTP and HTTPS" +
    (nodeModules === undefined
      ? " (HECATE_INTEROP_NODE_MODULES names no folder with it)"
      : ""),
  ignore: nodeModules === undefined && !isRequired,
  async fn() {
    const certificates = await makeCertificates();
    assert.ok(certificates, "openssl is needed");
    const folder = await Deno.makeTempDir({ prefix: "hecate-splunk-logging-" });
    try {
      await Deno.writeTextFile(`${folder}/cert.pem`, certificates.good.cert);
      await Deno.writeTextFile(`${folder}/key.pem`, certificates.good.key);
      for (const scheme of ["http", "https"]) {
        await using siem = await startDemoSiem();
        await using relay = await startRelay({
          env: {
            ...siem.environment(),
            HECATE_KV: ":memory:",
            HECATE_TOKENS: "app=hct_app",
            HECATE_ADMIN_TOKEN: "hca_app",
            ...(scheme === "https"
              ? {
                HECATE_TLS_CERT: `${folder}/cert.pem`,
                HECATE_TLS_KEY: `${folder}/key.pem`,
              }
              : {}),
          },
        });
        const output = await run("node", [
          `${here}splunk_logging_client.cjs`,
          `${scheme}://localhost:${relay.port}`,
          "hct_app",
        ], { NODE_PATH: nodeModules ?? "" });
        const { replies } = JSON.parse(output);
        assert.equal(replies.length, 10);
        for (const reply of replies) {
          const body = typeof reply === "string" ? JSON.parse(reply) : reply;
          assert.deepEqual(body, { text: "Success", code: 0 });
        }
        await siem.until(10);
        for (const name of siem.targets.keys()) {
          const messages = siem.received(name).map(({ event }) =>
            JSON.parse(decoder.decode(event)).message.text
          );
          assert.deepEqual(
            messages.toSorted(),
            Array.from({ length: 10 }, (_, n) => `splunk-logging ${n}`),
            name,
          );
        }
        const [first] = splitLines(
          siem.requests("splunk")[0]?.body ?? new Uint8Array(),
        );
        assert.match(
          decoder.decode(first),
          /"host":"farm\.local","source":"chicken coop","sourcetype":"httpevent","index":"main"/,
        );
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
