/** Suricata's EVE. https://docs.suricata.io/en/latest/output/eve/eve-json-format.html */

import { always, choose, has, is } from "../choices.ts";
import {
  chosen,
  constant,
  hash,
  hostname,
  integer,
  long,
  text,
  time,
  word,
} from "../leaves.ts";
import type { Attributes, Profile } from "../profile.ts";
import { firstLine } from "../text_parts.ts";
import { endpoint, product } from "./words.ts";

const common = {
  product: product("OISF", "Suricata"),
  time: ["timestamp"],
  metadata: { event_code: text("event_type") },
} as const;

const src_endpoint = endpoint(["src_ip"], ["src_port"]);
const dst_endpoint = endpoint(["dest_ip"], ["dest_port"]);

const connection_info: Attributes = {
  direction_id: constant(0),
  protocol_name: text("proto"),
  uid: text("flow_id"),
};

const isSuricata = (kind: string) => [
  has("event_type", "flow_id"),
  is("event_type", kind),
];

const ACTION = choose("alert.action", { allowed: 1, blocked: 2 });

const METHODS = [
  "CONNECT",
  "DELETE",
  "GET",
  "HEAD",
  "OPTIONS",
  "POST",
  "PUT",
  "TRACE",
];

export const suricata: readonly Profile[] = [
  {
    ...common,
    name: "suricata flow",
    when: isSuricata("flow"),
    classUid: 4001,
    activity: always(6),
    attributes: {
      src_endpoint,
      dst_endpoint,
      connection_info,
      app_name: text("app_proto"),
      start_time: time("flow.start"),
      end_time: time("flow.end"),
      status_detail: text("flow.reason"),
      traffic: {
        bytes_out: long("flow.bytes_toserver"),
        bytes_in: long("flow.bytes_toclient"),
        packets_out: long("flow.pkts_toserver"),
        packets_in: long("flow.pkts_toclient"),
      },
    },
  },
  {
    ...common,
    name: "suricata alert",
    when: isSuricata("alert"),
    classUid: 2004,
    activity: always(1),
    // 1 is the most severe; signatures without a class have 3.
    severity: choose("alert.severity", { 1: 4, 2: 3, 3: 2, 4: 1 }, 0),
    message: firstLine("alert.signature"),
    attributes: {
      finding_info: {
        title: text("alert.signature", "alert.signature_id"),
        uid: text("flow_id"),
        analytic: {
          type_id: constant(1),
          type: constant("Rule"),
          name: text("alert.signature"),
          uid: text("alert.signature_id"),
          version: text("alert.rev"),
          category: text("alert.category"),
        },
      },
      evidences: [{ src_endpoint, dst_endpoint, connection_info }],
      action_id: chosen(ACTION),
    },
  },
  {
    ...common,
    name: "suricata dns",
    when: isSuricata("dns"),
    classUid: 4003,
    activity: choose("dns.type", {
      query: 1,
      request: 1,
      answer: 2,
      response: 2,
    }, 0),
    attributes: {
      src_endpoint,
      dst_endpoint,
      connection_info,
      query: {
        hostname: hostname("dns.rrname", "dns.queries.0.rrname"),
        type: text("dns.rrtype", "dns.queries.0.rrtype"),
        packet_uid: integer("dns.id"),
      },
      rcode_id: chosen(
        choose("dns.rcode", {
          NOERROR: 0,
          FORMERR: 1,
          SERVFAIL: 2,
          NXDOMAIN: 3,
          NOTIMP: 4,
          REFUSED: 5,
          YXDOMAIN: 6,
          YXRRSET: 7,
          NXRRSET: 8,
          NOTAUTH: 9,
          NOTZONE: 10,
        }),
      ),
      rcode: text("dns.rcode"),
    },
  },
  {
    ...common,
    name: "suricata http",
    when: isSuricata("http"),
    classUid: 4002,
    activity: choose("http.http_method", {
      CONNECT: 1,
      DELETE: 2,
      GET: 3,
      HEAD: 4,
      OPTIONS: 5,
      POST: 6,
      PUT: 7,
      TRACE: 8,
    }, 99),
    activityName: text("http.http_method"),
    attributes: {
      src_endpoint,
      dst_endpoint,
      connection_info,
      http_request: {
        http_method: word("http.http_method", METHODS),
        user_agent: text("http.http_user_agent"),
        referrer: text("http.http_refer"),
        version: text("http.protocol"),
        url: {
          hostname: hostname("http.hostname"),
          path: text("http.url"),
        },
      },
      http_response: {
        code: integer("http.status"),
        length: integer("http.length"),
        content_type: text("http.http_content_type"),
      },
    },
  },
  {
    ...common,
    // A request whose answer was not seen is no HTTP Activity.
    name: "suricata transaction",
    when: [
      has("event_type", "flow_id"),
      is("event_type", "http", "tls", "ssh", "smtp", "ftp", "smb", "rdp"),
    ],
    classUid: 4001,
    activity: always(6),
    attributes: {
      src_endpoint,
      dst_endpoint,
      connection_info,
      app_name: text("event_type"),
      url: { hostname: hostname("http.hostname"), path: text("http.url") },
      tls: {
        version: text("tls.version"),
        sni: text("tls.sni"),
        ja3_hash: {
          algorithm_id: constant(1),
          value: hash("tls.ja3.hash"),
        },
      },
    },
  },
  {
    ...common,
    name: "suricata",
    when: [has("event_type", "flow_id", "src_ip", "proto")],
    classUid: 0,
    activity: always(99),
    activityName: text("event_type"),
  },
];
