/** `hecate event ID`: where one event is. */

import { asObject, asText } from "../json/objects.ts";
import { type Command, EXIT, RELAY_FLAGS } from "./command.ts";
import { askJson } from "./relay_client.ts";
import { table } from "./table.ts";

export const eventShow: Command = {
  name: "event",
  arguments: "ID",
  count: [1, 1],
  help:
    "Print an event's receipt: when it came, from whom, and what became of it at each connector. Exit 3 when it is unknown.",
  flags: RELAY_FLAGS,
  async run(call, context) {
    const [id = ""] = call.arguments;
    const path = `/events/${encodeURIComponent(id)}`;
    const { text, json: receipt } = await askJson(call, context, {
      path,
      member: "id",
    });
    if (call.has("json")) {
      context.out(text);
      return EXIT.done;
    }
    const { out } = context;
    out(`Event ${asText(receipt["id"])}`);
    out(
      `accepted ${asText(receipt["accepted_at"]) || "-"} from ${
        asText(receipt["producer"]) || "-"
      }, ${receipt["bytes"] ?? "-"} bytes`,
    );
    const rows = Array.isArray(receipt["connectors"])
      ? receipt["connectors"].map(asObject)
      : [];
    const lines = table([
      ["CONNECTOR", "TYPE", "STATE", "WHEN", "DETAIL"],
      ...rows.map((row) => [
        asText(row["name"]),
        asText(row["type"]),
        asText(row["state"]),
        asText(row["at"]) || asText(row["next_attempt_at"]) || "-",
        detailOf(row),
      ]),
    ]);
    for (const line of rows.length === 0 ? [] : lines) out(line);
    return EXIT.done;
  },
};

/** What more is to say, in a few words. */
function detailOf(row: Partial<Record<string, unknown>>): string {
  switch (row["state"]) {
    case "delivered": {
      const { status, message } = asObject(row["answer"]);
      const words = [status, message].filter((word) => word);
      return [...words, `(attempt ${row["attempts"]})`].join(" ");
    }
    case "filtered":
      return `by ${asText(row["by"]) || "a replay"}`;
    case "waiting":
      return [`${row["ahead"]} before it`, asText(row["reason"])]
        .filter((word) => word !== "").join(", ");
    case "dead":
      return `${asText(row["reason"])}: ${asText(row["error"])}`;
    case "expired":
      return asText(row["reason"]);
    default:
      return "";
  }
}
