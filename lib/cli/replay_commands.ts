/**
 * `hecate replay …` and `hecate dead replay`: jobs of a running relay.
 *
 * Over 300 lines because the commands of one group stand together, and half of them are flags and help.
 */

import { systemClock } from "../clock.ts";
import { asText } from "../json/objects.ts";
import {
  type Call,
  type CliContext,
  CliFault,
  type Command,
  EXIT,
  type ExitCode,
  type Flag,
  RELAY_FLAGS,
} from "./command.ts";
import {
  choiceIn,
  FILTER_FLAGS,
  numberIn,
  unsaid,
  YES,
} from "./dead_commands.ts";
import { askItems, askJson } from "./relay_client.ts";
import { estimateLine, jobLine } from "./replay_lines.ts";
import { table } from "./table.ts";
import { onOneLine } from "./words.ts";

const PATH = "/replays";
const FOLLOW_MS = 1_000;

type Json = Partial<Record<string, unknown>>;

const FOLLOW: Flag = {
  kind: "switch",
  help:
    "Stay until it ends, with its progress on stderr. Exit 6 when some events were refused.",
};
const DRY_RUN: Flag = {
  kind: "switch",
  help: "Only say how much it would be.",
};

/** `replay start` */
export const replayStart: Command = {
  name: "replay start",
  help:
    "Send events of the log again, or to a connector that never had them. Events that come in go first.",
  flags: {
    to: {
      kind: "text",
      value: "NAME[,NAME]",
      help: "To these connectors.",
    },
    from: {
      kind: "text",
      value: "oldest|TIME|ID",
      help: "From here on: the oldest event kept, a time, an event.",
    },
    until: {
      kind: "text",
      value: "TIME|ID",
      help: "Up to here, not included. Absent: what is there now.",
    },
    rate: {
      kind: "text",
      value: "NUMBER",
      help: "Events a second to each connector at the most (200); 0: no cap.",
    },
    all: {
      kind: "switch",
      help: "Also what was delivered to it before: that arrives twice.",
    },
    "no-mark": {
      kind: "switch",
      help: "Without `hecate.replay=<id>` in the envelope's fields.",
    },
    "dry-run": DRY_RUN,
    follow: FOLLOW,
    ...RELAY_FLAGS,
  },
  async run(call, context) {
    const to = call.value("to"), from = call.value("from");
    if (to === undefined || from === undefined) {
      throw new CliFault(
        EXIT.usage,
        "--to and --from are needed.",
        "Such as: replay start --to soc-b --from oldest --dry-run",
      );
    }
    const rate = numberIn(call, "rate");
    return await start(call, context, {
      kind: "log",
      to: to.split(",").map((name) => name.trim()),
      from,
      until: call.value("until") ?? null,
      ...rate !== undefined && { rate },
      all: call.has("all"),
      mark: !call.has("no-mark"),
    });
  },
};

/** `dead replay` */
export const deadReplay: Command = {
  name: "dead replay",
  arguments: "[ID…]",
  count: [0, 10_000],
  help:
    "Send dead letters again: those named, or all that the flags choose. What is refused again stays.",
  flags: {
    ...FILTER_FLAGS,
    expect: {
      kind: "text",
      value: "NUMBER",
      help: "How many there must be. Absent: as many as there are.",
    },
    rate: {
      kind: "text",
      value: "NUMBER",
      help: "Events a second to each connector at the most. Absent: no cap.",
    },
    "dry-run": DRY_RUN,
    follow: FOLLOW,
    yes: YES,
    ...RELAY_FLAGS,
  },
  async run(call, context) {
    const rate = numberIn(call, "rate");
    const wish = {
      kind: "dead-letters",
      ...choiceIn(call),
      ...rate !== undefined && { rate },
    };
    if (call.has("dry-run")) return await start(call, context, wish);
    let expect = numberIn(call, "expect");
    if (expect === undefined || !call.has("yes")) {
      const { json } = await ask(call, context, { ...wish, dry_run: true });
      expect ??= Number(json["events"]);
      if (!call.has("yes")) throw unsaid(context, expect, "sent again");
    }
    return await start(call, context, { ...wish, expect });
  },
};

function ask(call: Call, context: CliContext, body: Json) {
  const text = JSON.stringify(body);
  return askJson(call, context, {
    method: "POST",
    path: PATH,
    // An estimate has no id yet.
    member: body["dry_run"] === true ? "events" : "id",
    body: text,
  });
}

async function start(
  call: Call,
  context: CliContext,
  wish: Json,
): Promise<ExitCode> {
  if (call.has("dry-run")) {
    const { text, json } = await ask(call, context, { ...wish, dry_run: true });
    context.out(
      call.has("json") ? text : estimateLine(json, wish["all"] === true),
    );
    return EXIT.done;
  }
  const { text, json } = await ask(call, context, wish);
  if (call.has("follow")) return await follow(call, context, json);
  context.out(call.has("json") ? text : jobLine(json));
  return EXIT.done;
}

/** Asks again until the job has ended. */
async function follow(
  call: Call,
  context: CliContext,
  first: Json,
): Promise<ExitCode> {
  const path = `${PATH}/${encodeURIComponent(asText(first["id"]))}`;
  let job = first, said = "";
  while (job["state"] === "running" || job["state"] === "paused") {
    const line = jobLine(job);
    if (line !== said && !call.has("quiet")) context.err(line);
    said = line;
    await systemClock.sleep(FOLLOW_MS);
    job = (await askJson(call, context, { path, member: "id" })).json;
  }
  context.out(call.has("json") ? JSON.stringify(job) : jobLine(job));
  return Number(job["dead"]) > 0 ? EXIT.partly : EXIT.done;
}

/** `replay list` */
export const replayList: Command = {
  name: "replay list",
  help: "Print replays, newest first.",
  flags: {
    state: {
      kind: "text",
      value: "STATE",
      help: "Of this state only: running, paused, finished, stopped.",
    },
    ...RELAY_FLAGS,
  },
  async run(call, context) {
    const rows: string[][] = [];
    let count = 0;
    const query = { state: call.value("state") };
    for await (const job of askItems(call, context, { path: PATH, query })) {
      count++;
      if (call.has("json")) context.out(JSON.stringify(job));
      else {
        const to = Array.isArray(job["to"]) ? job["to"].join(",") : "";
        rows.push([
          asText(job["id"]),
          asText(job["kind"]),
          to,
          asText(job["state"]),
          ...["total", "delivered", "dead", "skipped", "left"].map((name) =>
            Number(job[name]).toLocaleString("en-US")
          ),
          asText(job["created_at"]),
        ]);
      }
    }
    const heads = [
      "ID",
      "KIND",
      "TO",
      "STATE",
      "TOTAL",
      "DELIVERED",
      "DEAD",
      "SKIPPED",
      "LEFT",
      "BEGAN",
    ];
    if (rows.length > 0) {
      for (const line of table([heads, ...rows])) context.out(line);
    }
    if (count === 0 && !call.has("quiet")) context.err("No replays.");
    return EXIT.done;
  },
};

/** `replay show` */
export const replayShow: Command = {
  name: "replay show",
  arguments: "ID",
  count: [1, 1],
  help: "Print one replay.",
  flags: RELAY_FLAGS,
  async run(call, context) {
    const { text, json } = await askJson(call, context, {
      path: pathOf(call),
      member: "id",
    });
    if (call.has("json")) context.out(text);
    else {
      const rows = Object.entries(json).map(([name, value]) => [
        name,
        typeof value === "string" ? onOneLine(value) : JSON.stringify(value),
      ]);
      for (const line of table(rows)) context.out(line);
    }
    return EXIT.done;
  },
};

/** `replay follow` */
export const replayFollow: Command = {
  name: "replay follow",
  arguments: "ID",
  count: [1, 1],
  help:
    "Print a replay's progress until it ends. Exit 6 when some events were refused.",
  flags: RELAY_FLAGS,
  async run(call, context) {
    const { json } = await askJson(call, context, {
      path: pathOf(call),
      member: "id",
    });
    return await follow(call, context, json);
  },
};

/** `replay pause` */
export const replayPause = changing(
  "pause",
  "Pause a replay, after the batch in flight.",
);

/** `replay resume` */
export const replayResume = changing("resume", "Let a paused replay go on.");

/** `replay stop` */
export const replayStop = changing(
  "stop",
  "Stop a replay for good; what it has not sent stays as it is.",
);

function changing(verb: string, help: string): Command {
  return {
    name: `replay ${verb}`,
    arguments: "ID",
    count: [1, 1],
    help,
    flags: RELAY_FLAGS,
    async run(call, context) {
      const path = `${pathOf(call)}/${verb}`;
      const { text, json } = await askJson(call, context, {
        method: "POST",
        path,
        member: "id",
      });
      context.out(call.has("json") ? text : jobLine(json));
      return EXIT.done;
    },
  };
}

function pathOf(call: Call): string {
  const [id = ""] = call.arguments;
  return `${PATH}/${encodeURIComponent(id)}`;
}
