/** `hecate connectors enable|disable|probe`: a running relay's connectors by hand. */

import {
  type Call,
  type CliContext,
  CliFault,
  type Command,
  EXIT,
  type ExitCode,
  RELAY_FLAGS,
} from "./command.ts";
import { asText } from "../json/objects.ts";
import { askJson } from "./relay_client.ts";

/** `connectors enable` */
export const connectorsEnable: Command = {
  name: "connectors enable",
  arguments: "NAME",
  count: [1, 1],
  help:
    "Switch a connector on. It sends what waits, or with `--from newest` discards that and begins with what comes next.",
  flags: {
    from: {
      kind: "text",
      value: "here|newest",
      help: "Where it goes on. Absent: here.",
    },
    ...RELAY_FLAGS,
  },
  async run(call, context) {
    const from = call.value("from") ?? "here";
    if (from !== "here" && from !== "newest") {
      throw new CliFault(EXIT.usage, "--from takes here or newest.");
    }
    return await switched(call, context, "enable", JSON.stringify({ from }));
  },
};

/** `connectors disable` */
export const connectorsDisable: Command = {
  name: "connectors disable",
  arguments: "NAME",
  count: [1, 1],
  help:
    "Switch a connector off, after the attempt in flight. Its events wait, and expire by HECATE_EXPIRE.",
  flags: RELAY_FLAGS,
  run: (call, context) => switched(call, context, "disable"),
};

/** `connectors probe` */
export const connectorsProbe: Command = {
  name: "connectors probe",
  arguments: "NAME",
  count: [1, 1],
  help: "Have what waits at a connector tried now, whenever its turn would be.",
  flags: RELAY_FLAGS,
  run: (call, context) => switched(call, context, "probe"),
};

async function switched(
  call: Call,
  context: CliContext,
  action: "enable" | "disable" | "probe",
  body?: string,
): Promise<ExitCode> {
  const [name = ""] = call.arguments;
  const { text, json } = await askJson(call, context, {
    method: "POST",
    path: `/connectors/${encodeURIComponent(name)}/${action}`,
    member: "state",
    ...body !== undefined && { body },
  });
  const { state, waiting, discarded, next_attempt_at: next } = json;
  if (call.has("json")) context.out(text);
  else {
    context.out(
      `${name}: ${asText(state)}, ${count(waiting)} waiting, ${
        count(discarded)
      } discarded${typeof next === "string" ? `, next attempt ${next}` : ""}`,
    );
  }
  return EXIT.done;
}

function count(value: unknown): string {
  return typeof value === "number" ? value.toLocaleString("en-US") : "?";
}
