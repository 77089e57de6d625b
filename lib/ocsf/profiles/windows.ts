/**
 * The Windows Security channel as JSON: flat as NXLog and Sentinel's collectors write it, or below `winlog` as
 * Winlogbeat does. https://learn.microsoft.com/windows/security/threat-protection/auditing/
 */

import { always, choose, firstOf, has, is, oneOf } from "../choices.ts";
import {
  captionOf,
  chosen,
  constant,
  either,
  envelopeHost,
  hostname,
  integer,
  ip,
  notIp,
  port,
  text,
} from "../leaves.ts";
import type { Attributes, Profile } from "../profile.ts";
import { baseName, firstLine } from "../text_parts.ts";
import { AUTH_PROTOCOLS, product, severityWord } from "./words.ts";

/** A member of the event's data. */
const data = (...names: readonly string[]) =>
  names.flatMap((name) => [name, `winlog.event_data.${name}`]);

const EVENT_ID = ["EventID", "winlog.event_id", "event_id"];

const isSecurity = [
  oneOf(has("EventID"), has("winlog.event_id")),
  is(
    ["Channel", "winlog.channel", "SourceName", "winlog.provider_name"],
    "Security",
    "Microsoft-Windows-Security-Auditing",
  ),
];

const common = {
  product: product("Microsoft", "Windows Security"),
  // Only where the source says it in words: Windows' own level is 0 for all audits.
  severity: severityWord("Severity", "log.level"),
  status: firstOf(
    choose(EVENT_ID, { 4625: 2, 4771: 2 }),
    choose(["EventType", "winlog.keywords.0"], {
      AUDIT_SUCCESS: 1,
      AUDIT_FAILURE: 2,
      "Audit Success": 1,
      "Audit Failure": 2,
    }),
    choose("Keywords", {
      "0x8020000000000000": 1,
      "0x8010000000000000": 2,
      "-9214364837600034816": 1,
      "-9218868437227405312": 2,
    }),
  ),
  time: ["TimeCreated", "@timestamp", "EventTime"],
  message: firstLine("Message", "message"),
  metadata: { event_code: text(...EVENT_ID) },
} as const;

const host = ["Hostname", "Computer", "winlog.computer_name", "host.name"];

const device: Attributes = {
  type_id: constant(0),
  hostname: hostname(...host),
  name: either(text(...host), envelopeHost),
};

const subject: Attributes = {
  name: text(...data("SubjectUserName")),
  uid: text(...data("SubjectUserSid")),
  domain: text(...data("SubjectDomainName")),
};

const target: Attributes = {
  name: text(...data("TargetUserName", "SamAccountName")),
  uid: text(...data("TargetUserSid", "TargetSid")),
  domain: text(...data("TargetDomainName")),
};

const PROTOCOL = choose(data("AuthenticationPackageName", "PackageName"), {
  NTLM: 1,
  MICROSOFT_AUTHENTICATION_PACKAGE_V1_0: 1,
  Kerberos: 2,
  Negotiate: 99,
});

/** The events that are logons and tickets, with their activities. */
const AUTHENTICATIONS = {
  4624: 1,
  4625: 1,
  4648: 1,
  4776: 1,
  4634: 2,
  4647: 2,
  4768: 3,
  4771: 3,
  4769: 4,
  4770: 5,
};

const ACCOUNT_CHANGES = {
  4720: 1,
  4722: 2,
  4723: 3,
  4724: 4,
  4725: 5,
  4726: 6,
  4738: 99,
  4740: 9,
  4767: 99,
  4781: 99,
};

const PROCESSES = { 4688: 1, 4689: 2 };

const ids = (table: Readonly<Record<number, number>>) =>
  is(EVENT_ID, ...Object.keys(table));

export const windowsSecurity: readonly Profile[] = [
  {
    ...common,
    name: "windows process",
    when: [...isSecurity, ids(PROCESSES)],
    classUid: 1007,
    activity: choose(EVENT_ID, PROCESSES),
    attributes: {
      actor: {
        user: subject,
        process: {
          pid: integer("winlog.event_data.ProcessId", "ProcessId"),
          name: baseName(...data("ParentProcessName")),
        },
      },
      device,
      process: {
        pid: integer(...data("NewProcessId", "ProcessId")),
        name: baseName(...data("NewProcessName", "ProcessName")),
        cmd_line: text(...data("CommandLine")),
        file: {
          name: baseName(...data("NewProcessName", "ProcessName")),
          path: text(...data("NewProcessName", "ProcessName")),
          type_id: constant(1),
        },
      },
      exit_code: integer(...data("ExitStatus")),
    },
  },
  {
    ...common,
    name: "windows authentication",
    when: [...isSecurity, ids(AUTHENTICATIONS)],
    classUid: 3002,
    activity: choose(EVENT_ID, AUTHENTICATIONS),
    attributes: {
      user: target,
      actor: { user: subject },
      device,
      service: { name: text(...data("ServiceName", "LogonProcessName")) },
      dst_endpoint: { hostname: hostname(...host), name: text(...host) },
      src_endpoint: {
        ip: ip(...data("IpAddress")),
        name: notIp(...data("WorkstationName", "Workstation")),
        port: port(...data("IpPort")),
      },
      logon_type_id: chosen(
        choose(data("LogonType"), {
          0: 0,
          2: 2,
          3: 3,
          4: 4,
          5: 5,
          7: 7,
          8: 8,
          9: 9,
          10: 10,
          11: 11,
          12: 12,
          13: 13,
        }),
      ),
      auth_protocol_id: chosen(PROTOCOL),
      auth_protocol: captionOf(
        PROTOCOL,
        AUTH_PROTOCOLS,
        text(...data("AuthenticationPackageName", "PackageName")),
      ),
      session: { uid: text(...data("TargetLogonId")) },
      status_code: text(...data("Status")),
      status_detail: text(...data("SubStatus")),
    },
  },
  {
    ...common,
    name: "windows account change",
    when: [...isSecurity, ids(ACCOUNT_CHANGES)],
    classUid: 3001,
    activity: choose(EVENT_ID, ACCOUNT_CHANGES),
    activityName: firstLine("Message", "message"),
    attributes: { user: target, actor: { user: subject }, device },
  },
  {
    ...common,
    name: "windows security",
    when: isSecurity,
    classUid: 0,
    activity: always(0),
  },
];
