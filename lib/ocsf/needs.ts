/** What OCSF 1.1.0 demands of the classes and objects that profiles fill. An object that lacks it is left out. */

/** Members that must stand in an object: all of `all`, and one of `any`. */
export interface Needs {
  readonly all?: readonly string[];
  readonly any?: readonly string[];
}

const NAME_OR_UID: Needs = { any: ["name", "uid"] };

const ENDPOINT: Needs = {
  any: [
    "ip",
    "uid",
    "name",
    "hostname",
    "svc_name",
    "instance_uid",
    "interface_uid",
    "interface_name",
  ],
};

const PROCESS: Needs = { any: ["pid", "uid"] };

/** By the attribute that holds the object. */
export const OBJECT_NEEDS: Readonly<Record<string, Needs>> = {
  account: NAME_OR_UID,
  actor: { any: ["process", "user", "invoked_by", "session"] },
  analytic: { all: ["type_id"], any: ["name", "uid"] },
  api: { all: ["operation"] },
  cloud: { all: ["provider"] },
  connection_info: { all: ["direction_id"] },
  device: {
    all: ["type_id"],
    any: [
      "ip",
      "uid",
      "name",
      "hostname",
      "instance_uid",
      "interface_uid",
      "interface_name",
    ],
  },
  dst_endpoint: ENDPOINT,
  feature: NAME_OR_UID,
  file: { all: ["name", "type_id"] },
  finding_info: { all: ["title", "uid"] },
  firewall_rule: NAME_OR_UID,
  http_response: { all: ["code"] },
  idp: NAME_OR_UID,
  ja3_hash: { all: ["algorithm_id", "value"] },
  loggers: NAME_OR_UID,
  location: {
    any: ["coordinates", "city", "country", "postal_code", "region"],
  },
  logon_process: PROCESS,
  org: NAME_OR_UID,
  parent_process: PROCESS,
  policy: NAME_OR_UID,
  process: PROCESS,
  product: { all: ["vendor_name"], any: ["name", "uid"] },
  query: { all: ["hostname"] },
  request: { all: ["uid"] },
  resources: NAME_OR_UID,
  service: NAME_OR_UID,
  src_endpoint: ENDPOINT,
  tls: { all: ["version"] },
  url: { any: ["url_string", "path"] },
  user: { any: ["account", "name", "uid"] },
};

/** A class that events are mapped to. */
export interface MappedClass {
  readonly name: string;
  /** Activities by id; 0 and 99 are those of every class. */
  readonly activities: Readonly<Record<number, string>>;
  /** Beside what all classes need and the engine always writes. */
  readonly needs: Needs;
}

const UNKNOWN_AND_OTHER = { 0: "Unknown", 99: "Other" };

export const CLASSES: Readonly<Record<number, MappedClass>> = {
  0: { name: "Base Event", activities: UNKNOWN_AND_OTHER, needs: {} },
  1007: {
    name: "Process Activity",
    activities: {
      ...UNKNOWN_AND_OTHER,
      1: "Launch",
      2: "Terminate",
      3: "Open",
      4: "Inject",
      5: "Set User ID",
    },
    needs: { all: ["actor", "device", "process"] },
  },
  2004: {
    name: "Detection Finding",
    activities: { ...UNKNOWN_AND_OTHER, 1: "Create", 2: "Update", 3: "Close" },
    needs: { all: ["finding_info"] },
  },
  3001: {
    name: "Account Change",
    activities: {
      ...UNKNOWN_AND_OTHER,
      1: "Create",
      2: "Enable",
      3: "Password Change",
      4: "Password Reset",
      5: "Disable",
      6: "Delete",
      7: "Attach Policy",
      8: "Detach Policy",
      9: "Lock",
      10: "MFA Factor Enable",
      11: "MFA Factor Disable",
    },
    needs: { all: ["user"] },
  },
  3002: {
    name: "Authentication",
    activities: {
      ...UNKNOWN_AND_OTHER,
      1: "Logon",
      2: "Logoff",
      3: "Authentication Ticket",
      4: "Service Ticket Request",
      5: "Service Ticket Renew",
    },
    needs: { all: ["user"], any: ["service", "dst_endpoint"] },
  },
  4001: {
    name: "Network Activity",
    activities: {
      ...UNKNOWN_AND_OTHER,
      1: "Open",
      2: "Close",
      3: "Reset",
      4: "Fail",
      5: "Refuse",
      6: "Traffic",
    },
    needs: { all: ["src_endpoint", "dst_endpoint"] },
  },
  4002: {
    name: "HTTP Activity",
    activities: {
      ...UNKNOWN_AND_OTHER,
      1: "Connect",
      2: "Delete",
      3: "Get",
      4: "Head",
      5: "Options",
      6: "Post",
      7: "Put",
      8: "Trace",
    },
    needs: {
      all: ["src_endpoint", "dst_endpoint", "http_request", "http_response"],
    },
  },
  4003: {
    name: "DNS Activity",
    activities: {
      ...UNKNOWN_AND_OTHER,
      1: "Query",
      2: "Response",
      6: "Traffic",
    },
    needs: { all: ["src_endpoint"] },
  },
  6003: {
    name: "API Activity",
    activities: {
      ...UNKNOWN_AND_OTHER,
      1: "Create",
      2: "Read",
      3: "Update",
      4: "Delete",
    },
    needs: { all: ["actor", "api", "src_endpoint"] },
  },
};
