/** IBM QRadar: CEF over syslog. */

import type { z } from "zod";
import {
  choice,
  count,
  group,
  optional as maybe,
  size,
  text,
  withDefault,
} from "../lib/config/fields.ts";
import type {
  ConnectorContext,
  ConnectorType,
  TestHints,
  TypeLimits,
} from "../lib/connector.ts";
import { limitsOf, madeEvent } from "../lib/delivery/post_sink.ts";
import { openSyslogSink } from "../lib/delivery/syslog_sink.ts";
import { FRAME_BYTES } from "../lib/format/syslog.ts";
import { CefComposer, type OcsfPair } from "../lib/ocsf/cef_message.ts";

// Limits ----------------------------------------------------------------------------------------------------------

/** The most that a datagram carries over IPv4. */
const MOST_MESSAGE_BYTES = 65_507;

const LIMITS: TypeLimits = {
  // One event a message; a batch is one write over TCP and TLS, where it has `STREAM_EVENTS` at least.
  events: 100,
  mostEvents: 10_000,
  bytes: 256 * 1024,
  mostBytes: 8 * 1024 * 1024,
  eventBytes: MOST_MESSAGE_BYTES + FRAME_BYTES,
};

/**
 * Over TCP and TLS a batch waits a second before it counts, and only so many may wait: small ones would bound the rate.
 * What goes again after a close is that second's, however it was cut.
 */
const STREAM_EVENTS = 1_000;

/** Widely reported defaults of QRadar's payload (destinations §6); it cuts what is longer into several events. */
const MESSAGE_BYTES = { tcp: 4096, tls: 4096, udp: 1024 } as const;

// Settings --------------------------------------------------------------------------------------------------------

const settings = group({
  syslog_host: text({
    title: "Host",
    help: "Name or address of the QRadar console or event collector.",
    example: "qradar.example.com",
  }).refine(
    (host) =>
      /^(?:[A-Za-z0-9._-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}\]?)$/.test(host),
    "It is a host name or an address alone, without tcp:// before it and without a port.",
  ),
  syslog_port: maybe(
    count({
      title: "Port",
      help: "Absent: 514 for udp and tcp, 6514 for tls.",
    }, { least: 1, most: 65_535 }),
  ),
  syslog_protocol: withDefault(
    choice({
      title: "Protocol",
      help:
        "`tcp` and `tls` count an event as delivered once it is written and the connection stayed open for a second, and write up to 1,000 events at once (a batch of more, where more is set); `udp` can only say sent.",
    }, ["tcp", "udp", "tls"]),
    "tcp",
  ),
  syslog_framing: withDefault(
    choice({
      title: "Framing",
      help:
        "`lf`: a line feed behind each message. `octet`: its length in bytes before it (RFC 5425). UDP needs none.",
    }, ["lf", "octet"]),
    "lf",
  ),
  syslog_hostname: maybe(text({
    title: "Syslog host name",
    help:
      "HOSTNAME of every message, in place of the event's own host: the Log Source Identifier.",
  })),
  cef_device_vendor: withDefault(
    text({ title: "Device vendor", help: "Second field of the CEF header." }),
    "Arbitex",
  ),
  cef_device_product: withDefault(
    text({
      title: "Device product",
      help: "Third field of the CEF header, and APP-NAME.",
    }),
    "ArbitexPlatform",
  ),
  cef_device_version: withDefault(
    text({ title: "Device version", help: "Fourth field of the CEF header." }),
    "1.0",
  ),
  cef_profile: withDefault(
    choice({
      title: "CEF keys",
      help:
        "`seed`: duid, model, tokenIn, tokenOut as in the integration guide. `standard`: keys of the CEF dictionary alone.",
    }, ["seed", "standard"]),
    "seed",
  ),
  max_message_bytes: maybe(
    size({
      title: "Longest message",
      help:
        "QRadar's payload limit; what is longer loses pairs and says Truncated. Absent: 4096 for tcp and tls, 1024 for udp.",
    }, { least: 480, most: MOST_MESSAGE_BYTES }),
  ),
});

/** Checked settings of a QRadar connector. */
export type QradarSettings = z.infer<typeof settings>;

// Wire format -----------------------------------------------------------------------------------------------------

const ACTION = ["unmapped.policy_action", "action", "disposition"];
const LABELS = ["unmapped.dlp_labels"];
const GROUPS = ["unmapped.group_ids", "actor.user.groups"];
const MODEL = ["unmapped.model_id", "ai_model.name"];
const TOKENS_IN = ["unmapped.tokens_input", "message_context.prompt_tokens"];
const TOKENS_OUT = [
  "unmapped.tokens_output",
  "message_context.completion_tokens",
];
const RT: OcsfPair = { key: "rt", from: "time" };
const ID: OcsfPair = { key: "externalId", from: "id" };
const USER: OcsfPair = {
  key: "suser",
  from: ["actor.user.email_addr", "actor.user.name"],
};
const UID = ["actor.user.uid"];
const ACT: OcsfPair = { key: "act", from: ACTION };
// Dropped in the order of destinations §6.3; what it does not name goes last.
const CS1: OcsfPair = {
  key: "cs1",
  label: "PolicyAction",
  from: ACTION,
  drop: 8,
};
const CS2: OcsfPair = {
  key: "cs2",
  label: "DlpLabels",
  from: LABELS,
  drop: 3,
  isList: true,
};
const CS3: OcsfPair = {
  key: "cs3",
  label: "GroupIds",
  from: GROUPS,
  drop: 2,
  isList: true,
};
const FLAG: OcsfPair = {
  key: "cs6",
  flag: "cs6Label=Truncated cs6=true",
  from: "flag",
};

const PAIRS: Readonly<Record<"seed" | "standard", readonly OcsfPair[]>> = {
  seed: [
    RT,
    USER,
    { key: "duid", from: UID, drop: 9 },
    ACT,
    { key: "model", from: MODEL, drop: 4 },
    { key: "tokenIn", from: TOKENS_IN, drop: 5 },
    { key: "tokenOut", from: TOKENS_OUT, drop: 6 },
    CS1,
    CS2,
    CS3,
    FLAG,
    ID,
  ],
  standard: [
    RT,
    ID,
    USER,
    { key: "suid", from: UID, drop: 11 },
    { key: "src", from: ["src_endpoint.ip"], drop: 10 },
    { key: "shost", from: ["src_endpoint.hostname"], drop: 9 },
    ACT,
    CS1,
    CS2,
    CS3,
    { key: "cs4", label: "ModelId", from: MODEL, drop: 4 },
    { key: "cn1", label: "TokensInput", from: TOKENS_IN, drop: 5 },
    { key: "cn2", label: "TokensOutput", from: TOKENS_OUT, drop: 6 },
    { key: "cn3", label: "SeverityId", from: "severity", drop: 7 },
    { key: "msg", from: ["message"], drop: 1 },
    FLAG,
  ],
};

// Test ------------------------------------------------------------------------------------------------------------

/** What a connection test says beside the answers' own help. */
const HINTS: TestHints = {
  notSeen:
    "The log source's identifier must equal the host in our messages; what no log source takes goes to SIM Generic.",
  cures: {
    refused:
      "QRadar listens on 514 (tcp, udp); TLS Syslog is a log source of its own, usually on 6514.",
  },
};

// Type ------------------------------------------------------------------------------------------------------------

/** IBM QRadar. */
export const qradar: ConnectorType<QradarSettings> = {
  type: "qradar",
  title: "IBM QRadar (CEF over syslog)",
  prefix: "QRADAR",
  limits: LIMITS,
  format: "ocsf",
  settings,
  hints: HINTS,
  open(settings: QradarSettings, context: ConnectorContext) {
    const protocol = settings.syslog_protocol;
    const limits = limitsOf(LIMITS, context.common);
    const most = settings.max_message_bytes ?? MESSAGE_BYTES[protocol];
    const composer = new CefComposer({
      vendor: settings.cef_device_vendor,
      product: settings.cef_device_product,
      version: settings.cef_device_version,
      pairs: PAIRS[settings.cef_profile],
      hostname: context.hostname,
      fixedHostname: settings.syslog_hostname,
      most,
    });
    return openSyslogSink({
      protocol,
      host: settings.syslog_host.replace(/^\[|\]$/g, ""),
      port: settings.syslog_port ?? (protocol === "tls" ? 6514 : 514),
      framing: settings.syslog_framing,
      limits: protocol === "udp"
        ? limits
        : { ...limits, events: Math.max(limits.events, STREAM_EVENTS) },
      messageBytes: most,
      compose: (view, ocsf, into) => composer.compose(view, ocsf, into),
      probe() {
        const { clock, uuid } = context;
        return madeEvent(
          `{"class_uid":0,"severity_id":1,"activity_name":"hecate.test","metadata":{"version":"1.1.0","uid":${
            JSON.stringify(uuid())
          }}}`,
          Math.floor(clock.now()),
        );
      },
    }, context);
  },
};
