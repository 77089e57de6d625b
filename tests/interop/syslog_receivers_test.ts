import assert from "node:assert/strict";
import { qradar } from "../../connectors/qradar.ts";
import type { ConnectorType, Outcome } from "../../lib/connector.ts";
import { makeCertificates } from "../support/certificates.ts";
import { counted, lines, parseMessage } from "../support/cef_text.ts";
import { poll } from "../support/poll.ts";
import { encoded, hecRun, openSink } from "../support/sinks.ts";

/**
 * rsyslog and syslog-ng, unmodified, take what the qradar connector sends. Debian's packages exclude each other, so CI
 * unpacks them side by side (`HECATE_INTEROP_SYSLOG` names that root); elsewhere an installed one is used, and a missing
 * one's test is ignored.
 */

const root = Deno.env.get("HECATE_INTEROP_SYSLOG") ?? "";
const isRequired = Deno.env.has("HECATE_INTEROP_REQUIRED");
const TYPE: ConnectorType = qradar;
const NEVER = new AbortController().signal;
const TEXTS = [
  "plain",
  "a=b|c\\d\ne",
  "é€𝄞 日本語",
  " C:\\temp\\=x ",
  "\r\n=\\\\=",
];

/** One input of a receiver. */
interface Input {
  readonly name: string;
  readonly protocol: "udp" | "tcp" | "tls";
  readonly framing: "lf" | "octet";
  readonly port: number;
}

/** PEM files that a receiver and its senders need. */
interface Files {
  readonly folder: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

interface Receiver {
  readonly program: string;
  /** Demands a client certificate over TLS. */
  readonly isMutual: boolean;
  readonly configuration: (inputs: readonly Input[], files: Files) => string;
  readonly args: (configuration: string, folder: string) => readonly string[];
}

const RSYSLOG: Receiver = {
  program: "rsyslogd",
  isMutual: true,
  configuration: (inputs, { folder, ca, cert, key }) =>
    `global(workDirectory="${folder}" maxMessageSize="64k" defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="${ca}" defaultNetstreamDriverCertFile="${cert}" defaultNetstreamDriverKeyFile="${key}")
module(load="imudp") module(load="imptcp")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
template(name="raw" type="string" string="%rawmsg%\\n")
${
      inputs.map(({ name, protocol, port }) =>
        `ruleset(name="${name}") { action(type="omfile" file="${folder}/${name}.log" template="raw" flushOnTXEnd="on") }
input(type="${
          { udp: "imudp", tcp: "imptcp", tls: "imtcp" }[protocol]
        }" port="${port}" address="127.0.0.1" ruleset="${name}")`
      ).join("\n")
    }
`,
  args: (configuration, folder) => [
    ...["-n", "-f", configuration, "-i", `${folder}/pid`],
    ...(root === "" ? [] : ["-M", `${root}/usr/lib/${triplet()}/rsyslog`]),
  ],
};

const SYSLOG_NG: Receiver = {
  program: "syslog-ng",
  isMutual: false,
  configuration: (inputs, { folder, cert, key }) =>
    `@version: 3.38
options { log-msg-size(65536); flush-lines(1); };
${
      inputs.map(({ name, protocol, framing, port }) => {
        const tls = protocol === "tls"
          ? ` tls(key-file("${key}") cert-file("${cert}") peer-verify(no))`
          : "";
        const driver = framing === "octet" ? "syslog" : "network";
        return `source s_${name} { ${driver}(transport("${protocol}") ip("127.0.0.1") port(${port}) flags(no-parse)${tls}); };
destination d_${name} { file("${folder}/${name}.log" template("\${MESSAGE}\\n")); };
log { source(s_${name}); destination(d_${name}); };`;
      }).join("\n")
    }
`,
  args: (configuration, folder) => [
    ...["-F", "--no-caps", "-f", configuration, "-p", `${folder}/pid`],
    ...["-R", `${folder}/persist`, "-c", `${folder}/control`],
    ...(root === "" ? [] : [`--module-path=${root}/usr/lib/syslog-ng/3.38`]),
  ],
};

function triplet(): string {
  return `${Deno.build.arch}-linux-gnu`;
}

/** The receiver's program; undefined where it is not installed. */
function programOf({ program }: Receiver): string | undefined {
  for (const folder of [`${root}/usr/sbin`, "/usr/sbin", "/sbin"]) {
    try {
      if (Deno.statSync(`${folder}/${program}`).isFile) {
        return `${folder}/${program}`;
      }
    } catch {
      // Not there.
    }
  }
  return undefined;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A folder with the PEM files, gone afterwards. */
async function withFiles(work: (files: Files) => Promise<void>): Promise<void> {
  const made = await makeCertificates();
  assert.ok(made, "openssl is needed");
  const folder = await Deno.makeTempDir({ prefix: "hecate-receiver-" });
  const write = async (name: string, text: string) => {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    return `${folder}/${name}`;
  };
  try {
    await work({
      folder,
      ca: await write("ca.pem", made.ca),
      cert: await write("cert.pem", made.good.cert),
      key: await write("key.pem", made.good.key),
      clientCert: await write("client.pem", made.client.cert),
      clientKey: await write("client.key", made.client.key),
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Sends events in a few batches over one connection. @returns the messages as they were sent. */
async function send(
  { protocol, framing, port }: Input,
  files: Files,
  isMutual: boolean,
): Promise<string[]> {
  await using sink = openSink(TYPE, {
    QRADAR_SYSLOG_HOST: "127.0.0.1",
    QRADAR_SYSLOG_PORT: String(port),
    QRADAR_SYSLOG_PROTOCOL: protocol,
    QRADAR_SYSLOG_FRAMING: framing,
    QRADAR_BATCH_EVENTS: "20",
    ...protocol === "tls" && { QRADAR_TLS_CA_BUNDLE: files.ca },
    ...protocol === "tls" && isMutual && {
      QRADAR_TLS_CLIENT_CERT: files.clientCert,
      QRADAR_TLS_CLIENT_KEY: files.clientKey,
    },
  });
  const runs = [0, 20, 40, 60, 80].map((first) => hecRun(bodyFrom(first)));
  const read = protocol !== "udp" && framing === "lf" ? lines : counted;
  // A body is gone once it is written.
  const sent = runs.flatMap((run) => read(encoded(sink, run).body()));
  const [begin, ...more] = runs;
  assert.ok(begin);
  await poll(async () => {
    // The receiver may still be starting.
    const { kind } = await sink.deliver(encoded(sink, begin), NEVER);
    return kind === "delivered" ? true : undefined;
  });
  // Over TCP and TLS several in flight, as the pipeline has them.
  const open: Promise<Outcome>[] = [];
  for (const run of more) {
    open.push(sink.deliver(encoded(sink, run), NEVER));
    if (sink.inFlight === undefined) await open.at(-1);
  }
  for (const { kind } of await Promise.all(open)) {
    assert.equal(kind, "delivered");
  }
  return sent;
}

/** An HEC body of twenty events, of all texts and lengths. */
function bodyFrom(first: number): string {
  return Array.from({ length: 20 }, (_, i) =>
    JSON.stringify({
      event: {
        class_uid: 6003,
        metadata: { version: "1.1.0", uid: `e${first + i}` },
        api: { operation: TEXTS[i % TEXTS.length] },
        actor: { user: { name: TEXTS[(i + 1) % TEXTS.length] } },
        unmapped: { dlp_labels: [`l${"x".repeat(i * 40)}`] },
      },
    })).join("\n");
}

for (const receiver of [RSYSLOG, SYSLOG_NG]) {
  const program = programOf(receiver);
  Deno.test({
    name:
      `interop: ${receiver.program} holds every event of the qradar connector: UDP, TCP, TLS, both framings` +
      (program === undefined ? " (not installed)" : ""),
    ignore: program === undefined && !isRequired,
    async fn() {
      assert.ok(program, `${receiver.program} is required and not installed`);
      await withFiles(async (files) => {
        const { folder } = files;
        const inputs = ([
          ["udp", "lf"],
          ["tcp", "lf"],
          ["tcp", "octet"],
          ["tls", "lf"],
          ["tls", "octet"],
        ] as const).map(([protocol, framing]): Input => ({
          name: `${protocol}_${framing}`,
          protocol,
          framing,
          port: freePort(),
        }));
        const configuration = `${folder}/receiver.conf`;
        await Deno.writeTextFile(
          configuration,
          receiver.configuration(inputs, files),
        );
        const child = new Deno.Command(program, {
          args: [...receiver.args(configuration, folder)],
          ...root !== "" && {
            env: {
              LD_LIBRARY_PATH: [
                `${root}/usr/lib/${triplet()}`,
                `${root}/lib/${triplet()}`,
                `${root}/usr/lib/syslog-ng`,
              ].join(":"),
            },
          },
          stdin: "null",
          stdout: "null",
          stderr: "piped",
        }).spawn();
        const errors = new Response(child.stderr).text();
        try {
          // UDP tells nobody that the receiver is not there yet: last.
          for (const input of [...inputs].reverse()) {
            const sent = await send(input, files, receiver.isMutual);
            const held = await poll(async () => {
              const text = await Deno.readTextFile(
                `${folder}/${input.name}.log`,
              ).catch(() => "");
              const found = text.split("\n").slice(0, -1);
              return found.length >= sent.length ? found : undefined;
            });
            assert.deepEqual(held, sent, input.name);
            for (const text of held) parseMessage(text);
          }
        } catch (error) {
          child.kill("SIGKILL");
          throw new Error(`${receiver.program}: ${await errors}`, {
            cause: error,
          });
        }
        child.kill("SIGTERM");
        await child.status;
        await errors;
      });
    },
  });
}
