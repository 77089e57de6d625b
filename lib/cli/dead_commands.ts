/** `hecate dead …`: the dead letters of a running relay. */

import { joinBytes } from "../json/copy.ts";
import { asObject, asText } from "../json/objects.ts";
import { afterValue } from "../json/skip.ts";
import {
  type Call,
  type CliContext,
  CliFault,
  type Command,
  EXIT,
  type Flag,
  RELAY_FLAGS,
} from "./command.ts";
import { byteLines } from "./byte_lines.ts";
import {
  askItems,
  askJson,
  askRelay,
  cutFault,
  itemsOf,
} from "./relay_client.ts";
import { table } from "./table.ts";
import { messageOf } from "../log/kv.ts";
import { counted, onOneLine } from "./words.ts";

const PATH = "/dead-letters";
const NDJSON = "application/x-ndjson";
/** What one request of an import may carry: a relay takes 64 MiB unless set otherwise. */
const IMPORT_BYTES = 8 * 1024 * 1024;
/** Bytes of one line that are read: far above any record. */
const MOST_LINE = 64 * 1024 * 1024;
/** Wrong lines that are named. */
const MOST_NAMED = 1_000;

export const FILTER_FLAGS: Readonly<Record<string, Flag>> = {
  connector: { kind: "text", value: "NAME", help: "Of this connector only." },
  reason: {
    kind: "text",
    value: "CODE",
    help: "For this reason only: rejected, too_large …",
  },
  from: { kind: "text", value: "TIME", help: "That died then or later." },
  to: { kind: "text", value: "TIME", help: "That died before then." },
  contains: {
    kind: "text",
    value: "TEXT",
    help: "With this text in the event or the error.",
  },
};

export const YES: Flag = { kind: "switch", short: "y", help: "Do it." };

/** The filter that the flags make. */
function filterIn(call: Call): Record<string, string> {
  return Object.fromEntries(
    Object.keys(FILTER_FLAGS).flatMap((name) => {
      const value = call.value(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** What the line chose: these, or all that the flags choose. @throws {CliFault} */
export function choiceIn(
  call: Call,
): { readonly ids: readonly string[] } | {
  readonly filter: Readonly<Record<string, string>>;
} {
  const ids = call.arguments, filter = filterIn(call);
  if (ids.length > 0 && Object.keys(filter).length > 0) {
    throw new CliFault(EXIT.usage, "ids or flags that choose, not both.");
  }
  return ids.length > 0 ? { ids } : { filter };
}

/** What ends a command that lacks its -y, after it said what it would do. */
export function unsaid(
  { err }: CliContext,
  count: number,
  what: string,
): CliFault {
  err(`${counted(count, "dead letter")} would be ${what}.`);
  return new CliFault(EXIT.usage, "nothing was done.", "Add -y to go on.");
}

/** `dead list` */
export const deadList: Command = {
  name: "dead list",
  help: "Print dead letters, newest first.",
  flags: {
    ...FILTER_FLAGS,
    limit: {
      kind: "text",
      value: "NUMBER",
      help: "How many at the most (50); 0: all.",
    },
    ...RELAY_FLAGS,
  },
  async run(call, context) {
    const wanted = numberIn(call, "limit") ?? 50;
    const rows: string[][] = [];
    let count = 0;
    const items = askItems(
      call,
      context,
      { path: PATH, query: filterIn(call) },
      wanted === 0 ? Infinity : wanted,
    );
    let found = await items.next();
    for (; found.done !== true; found = await items.next()) {
      const item = found.value;
      count++;
      if (call.has("json")) context.out(JSON.stringify(item));
      else {
        rows.push([
          asText(item["timestamp"]),
          asText(item["connector"]),
          asText(item["reason"]),
          onOneLine(asText(item["error"]), 60),
          asText(item["id"]),
        ]);
      }
    }
    if (rows.length > 0) {
      const heads = ["DIED", "CONNECTOR", "REASON", "ERROR", "ID"];
      for (const line of table([heads, ...rows])) context.out(line);
    }
    if (!call.has("quiet")) {
      if (count === 0) context.err("No dead letters.");
      if (found.value) context.err("There are more: --limit 0.");
    }
    return EXIT.done;
  },
};

/** `dead show` */
export const deadShow: Command = {
  name: "dead show",
  arguments: "ID",
  count: [1, 1],
  help: "Print one dead letter with its event, byte for byte.",
  flags: RELAY_FLAGS,
  async run(call, context) {
    const [id = ""] = call.arguments;
    const { text, json } = await askJson(call, context, {
      path: `${PATH}/${encodeURIComponent(id)}`,
      member: "id",
    });
    if (call.has("json")) {
      context.out(text);
      return EXIT.done;
    }
    const names = [
      "id",
      "connector",
      "timestamp",
      "expires_at",
      "reason",
      "error",
      "attempts",
    ];
    const rows = names.map((name) => [
      name,
      onOneLine(String(json[name] ?? ""), Infinity),
    ]);
    rows.push(["envelope", JSON.stringify(json["envelope"])]);
    for (const line of table(rows)) context.out(line);
    context.out("");
    context.out(eventOf(text).replaceAll(/[\u007f-\u009f]/g, "\ufffd"));
    return EXIT.done;
  },
};

/** The event of a shown letter: behind the envelope, up to the closing brace. The texts before have no bare quotes. */
function eventOf(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const mark = ',"envelope":';
  const head = new TextEncoder().encode(text.slice(0, text.indexOf(mark)));
  const after = afterValue(bytes, head.length + mark.length, bytes.length);
  return new TextDecoder().decode(
    bytes.subarray(after + ',"event":'.length, -1),
  );
}

/** `dead groups` */
export const deadGroups: Command = {
  name: "dead groups",
  help: "Print dead letters by connector and reason, most first.",
  flags: { ...FILTER_FLAGS, ...RELAY_FLAGS },
  async run(call, context) {
    const groups = await groupsOf(call, context);
    if (call.has("json")) {
      for (const group of groups) context.out(JSON.stringify(group));
      return EXIT.done;
    }
    if (groups.length === 0) {
      if (!call.has("quiet")) context.err("No dead letters.");
      return EXIT.done;
    }
    const lines = table([
      ["COUNT", "CONNECTOR", "REASON", "FIRST", "LAST", "ERROR"],
      ...groups.map((group) => [
        Number(group["count"]).toLocaleString("en-US"),
        asText(group["connector"]),
        asText(group["reason"]),
        asText(group["first_at"]),
        asText(group["last_at"]),
        onOneLine(asText(group["error"]), 60),
      ]),
    ]);
    for (const line of lines) context.out(line);
    return EXIT.done;
  },
};

async function groupsOf(call: Call, context: CliContext) {
  const { json } = await askJson(call, context, {
    path: `${PATH}/groups`,
    member: "items",
    query: filterIn(call),
  });
  return itemsOf(json);
}

/** `dead discard` */
export const deadDiscard: Command = {
  name: "dead discard",
  arguments: "[ID…]",
  count: [0, 10_000],
  help:
    "Discard dead letters: those named, or all that the flags choose. They are gone for good; the books say discarded.",
  flags: {
    ...FILTER_FLAGS,
    expect: {
      kind: "text",
      value: "NUMBER",
      help: "How many there must be. Absent: as many as there are.",
    },
    yes: YES,
    ...RELAY_FLAGS,
  },
  async run(call, context) {
    const choice = choiceIn(call);
    const expect = numberIn(call, "expect") ??
      ("ids" in choice
        ? new Set(choice.ids).size
        : (await groupsOf(call, context)).reduce(
          (sum, { count }) => sum + Number(count),
          0,
        ));
    if (!call.has("yes")) {
      throw unsaid(context, expect, "discarded for good");
    }
    const { text, json } = await askJson(call, context, {
      method: "POST",
      path: `${PATH}/discard`,
      member: "discarded",
      body: JSON.stringify({ ...choice, expect }),
    });
    const discarded = Number(json["discarded"]).toLocaleString("en-US");
    context.out(call.has("json") ? text : `Discarded: ${discarded}.`);
    return EXIT.done;
  },
};

/** `dead export` */
export const deadExport: Command = {
  name: "dead export",
  arguments: "[FILE]",
  count: [0, 1],
  help:
    "Write dead letters as JSON lines, oldest first, to FILE (mode 0600; it must not exist) or stdout. `dead import` takes them.",
  flags: { ...FILTER_FLAGS, ...RELAY_FLAGS },
  async run(call, context) {
    const response = await askRelay(
      call,
      context,
      {
        path: PATH,
        query: filterIn(call),
        headers: { Accept: NDJSON },
      },
      [],
      NDJSON,
    );
    const [path] = call.arguments;
    const file = path === undefined || path === "-"
      ? undefined
      : openFile(path);
    let lines = 0;
    try {
      for await (const line of linesOf(response)) {
        lines++;
        if (file === undefined) context.out(new TextDecoder().decode(line));
        else writeAll(file, joinBytes([line, NEW_LINE]));
      }
    } finally {
      file?.close();
    }
    if (file !== undefined && !call.has("quiet")) {
      context.err(
        `${lines.toLocaleString("en-US")} dead letters are in ${path}.`,
      );
    }
    return EXIT.done;
  },
};

/** The lines of an answer. @throws {CliFault} where it is cut off */
async function* linesOf(
  { body }: Response,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    yield* byteLines(body);
  } catch (cause) {
    throw cutFault(cause);
  }
}

/** `dead import` */
export const deadImport: Command = {
  name: "dead import",
  arguments: "[FILE]",
  count: [0, 1],
  help:
    "Take in JSON lines of FILE or stdin: an export, or a dead letter file. What is dead already and what the connector had is skipped. Exit 6 when some lines are wrong.",
  flags: RELAY_FLAGS,
  async run(call, context) {
    const [path] = call.arguments;
    const source = path === undefined || path === "-"
      ? context.stdin ?? Deno.stdin.readable
      : readFrom(path);
    let imported = 0, skipped = 0, before = 0, wrong = 0;
    const errors: { readonly line: number; readonly detail: string }[] = [];
    let batch: Uint8Array[] = [], lines = 0, size = 0;
    const flush = async () => {
      if (lines === 0) return;
      const { json } = await askJson(call, context, {
        method: "POST",
        path: `${PATH}/import`,
        member: "imported",
        body: joinBytes(batch),
      }, [422]);
      imported += Number(json["imported"] ?? 0);
      skipped += Number(json["skipped"] ?? 0);
      const told = Array.isArray(json["errors"]) ? json["errors"] : [];
      wrong += told.length + Number(json["more_errors"] ?? 0);
      for (const error of told.map(asObject)) {
        if (errors.length === MOST_NAMED) break;
        const line = before + Number(error["line"]);
        errors.push({ line, detail: asText(error["detail"]) });
      }
      before += lines;
      batch = [];
      lines = size = 0;
    };
    try {
      for await (const line of byteLines(source, MOST_LINE)) {
        if (size + line.length > IMPORT_BYTES) await flush();
        batch.push(line, NEW_LINE);
        lines++;
        size += line.length + 1;
      }
    } catch (cause) {
      if (cause instanceof CliFault) throw cause;
      throw new CliFault(
        EXIT.usage,
        `line ${before + lines + 1} cannot be read: ${messageOf(cause)}`,
        before === 0
          ? "Nothing was taken in."
          : `Taken in were lines 1 to ${before}.`,
      );
    }
    await flush();
    const more = wrong - errors.length;
    if (call.has("json")) {
      context.out(JSON.stringify({
        imported,
        skipped,
        errors,
        ...more > 0 && { more_errors: more },
      }));
    } else {
      for (const { line, detail } of errors) {
        context.err(`line ${line}: ${onOneLine(detail, 200)}`);
      }
      if (more > 0) {
        context.err(`and ${counted(more, "more wrong line")}.`);
      }
      context.out(
        `Imported: ${imported}. Skipped: ${skipped}. Wrong: ${wrong}.`,
      );
    }
    return wrong > 0 ? EXIT.partly : EXIT.done;
  },
};

const NEW_LINE = Uint8Array.of(0x0a);

function openFile(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  } catch (cause) {
    throw new CliFault(
      EXIT.usage,
      cause instanceof Deno.errors.AlreadyExists
        ? `${path} is there already.`
        : `${path} cannot be written: ${messageOf(cause)}`,
    );
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    at += file.writeSync(bytes.subarray(at));
  }
}

function readFrom(path: string): ReadableStream<Uint8Array<ArrayBuffer>> {
  try {
    return Deno.openSync(path).readable;
  } catch (cause) {
    throw new CliFault(
      EXIT.usage,
      `${path} cannot be read: ${messageOf(cause)}`,
    );
  }
}

/** A whole number; undefined: the flag is not there. @throws {CliFault} */
export function numberIn(call: Call, flag: string): number | undefined {
  const text = call.value(flag);
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new CliFault(EXIT.usage, `--${flag}: ${text} is no whole number.`);
}
