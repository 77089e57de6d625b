/** `hecate log …`: the log itself, read from its store or by a running relay. */

import { readConfiguration } from "../config/load.ts";
import { asObject } from "../json/objects.ts";
import type { LogVerdict } from "../log/verify.ts";
import { systemClock } from "../clock.ts";
import { silentLogger } from "../logger.ts";
import {
  type CliContext,
  CliFault,
  type Command,
  EXIT,
  RELAY_FLAGS,
} from "./command.ts";
import { askJson } from "./relay_client.ts";

/** `log verify` */
export const logVerify: Command = {
  name: "log verify",
  help:
    "Walk the log's checksums and hash chain and name the first break. Reads `HECATE_KV` directly while no relay runs there; with --url it asks a relay. Exit 6 when it is broken.",
  flags: RELAY_FLAGS,
  async run(call, context) {
    const verdict = call.value("url") === undefined
      ? await verifyHere(context)
      : asVerdict(
        (await askJson(call, context, {
          path: "/log/verify",
          member: "whole",
        })).json,
      );
    if (call.has("json")) context.out(JSON.stringify(verdict));
    else for (const line of linesOf(verdict)) context.out(line);
    return verdict.whole ? EXIT.done : EXIT.partly;
  },
};

async function verifyHere(
  { env, types, readFile, err }: CliContext,
): Promise<LogVerdict> {
  const loaded = await readConfiguration({ env, types, readFile });
  if (!loaded.ok) {
    for (const fault of loaded.faults) err(fault);
    throw new CliFault(
      EXIT.configuration,
      "the configuration is wrong, so it is not known where the log is.",
    );
  }
  const { openExisting, StoreError } = await import("../log/store.ts");
  const { verifyLog } = await import("../log/verify.ts");
  try {
    const store = await openExisting(loaded.relay.kv, {
      clock: systemClock,
      logger: silentLogger,
    });
    if (store === undefined) {
      throw new CliFault(
        EXIT.unknown,
        `there is no log at ${loaded.relay.kv}.`,
        "HECATE_KV says where it is.",
      );
    }
    try {
      return await verifyLog(store);
    } finally {
      store.close();
    }
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause;
    throw new CliFault(
      EXIT.fault,
      /in use by another process/.test(cause.message)
        ? `a relay runs on the log at ${loaded.relay.kv}: ask it with --url, such as --url http://127.0.0.1:${loaded.relay.port}.`
        : cause.message,
    );
  }
}

/** As the API answers it. */
function asVerdict(json: Partial<Record<string, unknown>>): LogVerdict {
  const { breaks } = json;
  const text = (value: unknown) => typeof value === "string" ? value : null;
  return {
    whole: json["whole"] === true,
    segments: Number(json["segments"]),
    events: Number(json["events"]),
    bytes: Number(json["bytes"]),
    first: text(json["first"]),
    last: text(json["last"]),
    breaks: (Array.isArray(breaks) ? breaks.map(asObject) : []).map((one) => ({
      segment: String(one["segment"]),
      // From the relay's closed list.
      reason: String(one["reason"]) as LogVerdict["breaks"][number]["reason"],
      detail: String(one["detail"]),
      events: Number(one["events"]),
      from: text(one["from"]),
      to: text(one["to"]),
    })),
  };
}

function linesOf({ whole, segments, events, breaks }: LogVerdict): string[] {
  const [first] = breaks;
  if (whole || first === undefined) {
    return [
      `Log whole: ${thousands(segments)} segments, ${
        thousands(events)
      } events.`,
    ];
  }
  const further = breaks.length - 1;
  return [
    `First break: segment ${first.segment}: ${first.reason}. ${first.detail}`,
    `Further breaks: ${thousands(further)}. Whole: ${
      thousands(segments)
    } segments, ${thousands(events)} events.`,
  ];
}

function thousands(count: number): string {
  return count.toLocaleString("en-US");
}
