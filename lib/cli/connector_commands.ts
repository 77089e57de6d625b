/** `hecate connectors …`: the configured connectors, from this process with the relay's configuration; no relay is asked. */

import { didYouMean } from "../config/environment.ts";
import { readConfiguration } from "../config/load.ts";
import type { ConfiguredConnector } from "../config/load_connector.ts";
import { nearest } from "../config/nearest.ts";
import type { ShownStep, TestReport } from "../delivery/test_connection.ts";
import { redactor } from "../secrets.ts";
import {
  type CliContext,
  CliFault,
  type Command,
  EXIT,
  type ExitCode,
  RELAY_FLAGS,
} from "./command.ts";
import { askJson } from "./relay_client.ts";
import { table } from "./table.ts";

/** Letters of a line of the diagnosis. */
const WIDTH = 96;

/** `connectors list` */
export const connectorsList: Command = {
  name: "connectors list",
  help: "Print the configured connectors.",
  async run(call, context) {
    const loaded = await load(context);
    if (loaded === undefined) return EXIT.configuration;
    const rows = loaded.connectors.map((one) => ({
      name: one.name,
      type: one.type.type,
      enabled: one.common.enabled,
      fed: one.isFed,
      to: addressOf(one) ?? null,
      from: one.origin,
    }));
    if (call.has("json")) {
      for (const row of rows) context.out(JSON.stringify(row));
      return EXIT.done;
    }
    if (rows.length === 0 && !call.has("quiet")) {
      context.err("No connector is configured.");
    }
    const lines = table([
      ["NAME", "TYPE", "STATE", "TO", "FROM"],
      ...rows.map(({ name, type, enabled, fed, to, from }) => [
        name,
        type,
        enabled ? fed ? "on" : "gets nothing" : "off",
        to ?? "-",
        from,
      ]),
    ]);
    for (const line of rows.length === 0 ? [] : lines) context.out(line);
    return EXIT.done;
  },
};

/** `connectors test` */
export const connectorsTest: Command = {
  name: "connectors test",
  arguments: "NAME",
  count: [1, 1],
  help:
    "Try a connector step by step from here: address, connection, certificate, login. No waiting event is touched; the relay need not run. Exit 7 when a step fails.",
  flags: {
    event: { kind: "switch", help: "Send one marked event at the end." },
  },
  async run(call, context) {
    const loaded = await load(context);
    if (loaded === undefined) return EXIT.configuration;
    const [name = ""] = call.arguments;
    const connector = find(name, loaded.connectors);
    const isJson = call.has("json");
    const { out } = context;
    if (!isJson && !call.has("quiet")) {
      const to = addressOf(connector);
      out(`Test connection: ${name} (${connector.type.title})`);
      out(
        `Trying ${
          to === undefined ? "" : `${to} `
        }now. Nothing is saved and no waiting event is touched.`,
      );
    }
    const { testConnection } = await import("../delivery/test_connection.ts");
    const report = await testConnection(connector, {
      environment: context.sinkEnvironment(loaded.relay),
      event: call.has("event"),
      redact: redactor(loaded.secrets),
      signal: new AbortController().signal,
      ...!isJson && { onStep: (step: ShownStep) => out(stepLine(step)) },
    });
    if (isJson) out(JSON.stringify(report));
    else for (const line of diagnosisLines(report)) out(line);
    return codeOf(report);
  },
};

/** `connectors books` */
export const connectorsBooks: Command = {
  name: "connectors books",
  arguments: "NAME",
  count: [1, 1],
  help:
    "Print a connector's books as a running relay has them. Exit 6 when they do not balance.",
  flags: RELAY_FLAGS,
  async run(call, context) {
    const [name = ""] = call.arguments;
    const { text, json } = await askJson(call, context, {
      path: `/connectors/${encodeURIComponent(name)}/books`,
      member: "connector",
    });
    if (call.has("json")) context.out(text);
    else {
      const rows = Object.entries(json).filter(([key]) => key !== "connector")
        .map(([key, value]) => [key, Number(value).toLocaleString("en-US")]);
      const width = Math.max(...rows.map(([, count = ""]) => count.length));
      for (
        const line of table(
          rows.map(([key = "", count = ""]) => [key, count.padStart(width)]),
        )
      ) context.out(line);
    }
    return json["difference"] === 0 ? EXIT.done : EXIT.partly;
  },
};

/** The configuration as the relay would read it; undefined after its faults were told. */
async function load({ env, types, readFile, err }: CliContext) {
  const loaded = await readConfiguration({ env, types, readFile });
  if (loaded.ok) return loaded;
  for (const fault of loaded.faults) err(fault);
  return undefined;
}

/** @throws {CliFault} */
function find(
  name: string,
  connectors: readonly ConfiguredConnector[],
): ConfiguredConnector {
  const found = connectors.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = connectors.map((one) => one.name);
  throw new CliFault(
    EXIT.unknown,
    `no connector ${JSON.stringify(name)}.${didYouMean(nearest(name, names))}`,
    names.length === 0
      ? "None is configured."
      : `Configured: ${names.join(", ")}.`,
  );
}

function codeOf({ ok }: TestReport): ExitCode {
  return ok ? EXIT.done : EXIT.testFailed;
}

/** Where it leads, as far as its settings say; what is secret of an address is masked there. */
function addressOf({ settings }: ConfiguredConnector): string | undefined {
  const own = settings.map(({ key, text = "" }) => ({ key, text }));
  return own.find(({ key, text }) =>
    /^https?:/.test(text) && key !== "authority_host" && key !== "proxy"
  )?.text ?? own.find(({ key }) => key === "syslog_host")?.text;
}

function stepLine({ ok, detail, ms }: ShownStep): string {
  return `${ok ? "✓" : "✕"} ${detail.replace(/\.$/, "")} (${ms} ms)`;
}

/** The diagnosis in a frame on the left. */
function diagnosisLines({ diagnosis }: TestReport): string[] {
  const lines = [""];
  for (const word of diagnosis.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line !== "" && line.length + word.length >= WIDTH) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.map((line, at) => {
    const isLast = at === lines.length - 1;
    const edge = at > 0 ? isLast ? "└" : "│" : isLast ? "─" : "┌";
    return `${edge} ${line}`;
  });
}
