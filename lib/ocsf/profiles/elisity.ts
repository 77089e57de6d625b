/**
 * Elisity Cloud Control Center's events, alone or in the `data` that its exporter wraps them in (seed
 * `elisity-hec-log-exporter`). Its `payload` is not documented: where it names both ends of a connection the usual way
 * the event is Network Activity, else a Base Event.
 */

import { always, chooseWord, has, is, oneOf } from "../choices.ts";
import { chosen, constant, text } from "../leaves.ts";
import type { Profile } from "../profile.ts";
import { firstLine } from "../text_parts.ts";
import { endpoint, product, severityWord } from "./words.ts";

const both = (name: string) => [name, `data.${name}`];
const payload = (...names: readonly string[]) =>
  names.flatMap((name) => [`payload.${name}`, `data.payload.${name}`]);

const common = {
  product: product("Elisity", "Cloud Control Center"),
  severity: severityWord(...payload("severity", "level"), ...both("severity")),
  time: both("timestamp"),
  message: firstLine(...payload("message", "description"), ...both("message")),
  metadata: { event_code: text(...both("event_type")) },
} as const;

const isElisity = [
  oneOf(has("event_type"), has("data.event_type")),
  is(both("source"), "elisity-ccc"),
];

export const elisity: readonly Profile[] = [
  {
    ...common,
    name: "elisity policy enforcement",
    when: [...isElisity, is(both("event_type"), "policy_enforcement")],
    classUid: 4001,
    activity: always(6),
    attributes: {
      src_endpoint: endpoint(
        payload("src_ip", "source_ip", "srcIp", "sourceIp"),
        payload("src_port", "source_port", "srcPort", "sourcePort"),
      ),
      dst_endpoint: endpoint(
        payload("dst_ip", "dest_ip", "destination_ip", "dstIp"),
        payload("dst_port", "dest_port", "destination_port", "dstPort"),
      ),
      connection_info: {
        direction_id: constant(0),
        protocol_name: text(...payload("protocol", "proto")),
      },
      action_id: chosen(
        chooseWord(payload("action", "decision", "verdict"), {
          allow: 1,
          allowed: 1,
          permit: 1,
          permitted: 1,
          deny: 2,
          denied: 2,
          block: 2,
          blocked: 2,
          drop: 2,
        }),
      ),
    },
  },
  {
    ...common,
    name: "elisity",
    when: isElisity,
    classUid: 0,
    activity: always(99),
    activityName: text(...both("event_type")),
  },
];
