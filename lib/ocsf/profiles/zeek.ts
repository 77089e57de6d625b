/** Zeek's conn.log as JSON, with dotted names or, from Corelight's writers, with underscores. https://docs.zeek.org/en/master/logs/conn.html */

import { always, choose, has, is, oneOf } from "../choices.ts";
import { constant, long, mac, secondsAsMilliseconds, text } from "../leaves.ts";
import type { Profile } from "../profile.ts";
import { endpoint, product } from "./words.ts";

const at = (name: string) => [`id\\.${name}`, `id_${name}`];

const common = {
  product: product("Zeek", "Zeek"),
  time: ["ts"],
  metadata: { event_code: text("_path", "@stream") },
} as const;

export const zeek: readonly Profile[] = [
  {
    ...common,
    name: "zeek conn",
    when: [
      has("ts", "uid", "conn_state"),
      oneOf(is(["_path", "@stream"], "conn"), has("id\\.orig_h")),
    ],
    classUid: 4001,
    activity: choose("conn_state", {
      S0: 4,
      S1: 1,
      SF: 2,
      REJ: 5,
      S2: 2,
      S3: 2,
      RSTO: 3,
      RSTR: 3,
      RSTOS0: 3,
      RSTRH: 3,
    }, 6),
    attributes: {
      src_endpoint: endpoint(at("orig_h"), at("orig_p"), {
        mac: mac("orig_l2_addr"),
      }),
      dst_endpoint: endpoint(at("resp_h"), at("resp_p"), {
        mac: mac("resp_l2_addr"),
      }),
      connection_info: {
        direction_id: constant(0),
        protocol_name: text("proto"),
        uid: text("uid"),
      },
      app_name: text("service"),
      duration: secondsAsMilliseconds("duration"),
      status_detail: text("conn_state"),
      traffic: {
        bytes_out: long("orig_bytes"),
        bytes_in: long("resp_bytes"),
        packets_out: long("orig_pkts"),
        packets_in: long("resp_pkts"),
      },
    },
  },
  {
    ...common,
    name: "zeek",
    when: [has("ts"), oneOf(has("_path"), has("@stream", "@proc"))],
    classUid: 0,
    activity: always(99),
    activityName: text("_path", "@stream"),
  },
];
