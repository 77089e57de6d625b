/** Palo Alto Networks' firewall logs: CSV in a line of syslog. Columns in `lines.ts`. */

import { always, choose, has, is } from "../choices.ts";
import {
  chosen,
  constant,
  hostname,
  long,
  secondsAsMilliseconds,
  text,
  time,
} from "../leaves.ts";
import type { Profile } from "../profile.ts";
import { endpoint, product } from "./words.ts";

const common = {
  product: product("Palo Alto Networks", "PAN-OS"),
  time: ["pan.time_generated", "pan.receive_time"],
  metadata: { event_code: text("pan.type") },
} as const;

export const paloAlto: readonly Profile[] = [
  {
    ...common,
    name: "palo alto traffic",
    when: [has("pan.type"), is("pan.type", "TRAFFIC")],
    classUid: 4001,
    activity: choose("pan.subtype", { start: 1, end: 2, drop: 5, deny: 5 }, 6),
    attributes: {
      src_endpoint: endpoint(["pan.src"], ["pan.sport"], {
        zone: text("pan.from"),
        interface_name: text("pan.inbound_if"),
      }),
      dst_endpoint: endpoint(["pan.dst"], ["pan.dport"], {
        zone: text("pan.to"),
        interface_name: text("pan.outbound_if"),
      }),
      connection_info: {
        direction_id: constant(0),
        protocol_name: text("pan.proto"),
        uid: text("pan.sessionid"),
      },
      actor: { user: { name: text("pan.srcuser") } },
      app_name: text("pan.app"),
      firewall_rule: { name: text("pan.rule") },
      start_time: time("pan.start"),
      duration: secondsAsMilliseconds("pan.elapsed"),
      status_detail: text("pan.session_end_reason"),
      traffic: {
        bytes: long("pan.bytes"),
        bytes_out: long("pan.bytes_sent"),
        bytes_in: long("pan.bytes_received"),
        packets: long("pan.packets"),
        packets_out: long("pan.pkts_sent"),
        packets_in: long("pan.pkts_received"),
      },
      device: {
        type_id: constant(9),
        uid: text("pan.serial"),
        hostname: hostname("pan.device_name"),
      },
      action_id: chosen(
        choose("pan.action", {
          allow: 1,
          alert: 1,
          deny: 2,
          drop: 2,
          "drop ICMP": 2,
          "reset client": 2,
          "reset server": 2,
          "reset both": 2,
          "reset-client": 2,
          "reset-server": 2,
          "reset-both": 2,
        }, 0),
      ),
    },
  },
  {
    ...common,
    name: "palo alto",
    when: [has("pan.type")],
    classUid: 0,
    activity: always(99),
    activityName: text("pan.type"),
  },
];
