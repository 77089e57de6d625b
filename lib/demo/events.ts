/**
 * Sample events: a small company's day, as OCSF 1.1.0 events of six classes in HEC envelopes. People, hosts and
 * addresses are invented (example.com, RFC 5737). A seed and a clock give the same events again.
 */

import type { Clock } from "../clock.ts";
import { type SeededRandom, seededRandom } from "./random.ts";

export interface SampleEvent {
  /** The HEC envelope, one line. */
  readonly envelope: string;
  /** The OCSF event in it. */
  readonly event: string;
  readonly classUid: number;
}

const PEOPLE = ["alice", "bruno", "chloé", "daisuke", "emre", "fatou"];
const HOSTS = ["lap-014", "lap-027", "build-3", "web-1", "db-primary"];
const DOMAINS = [
  "updates.example.com",
  "mail.example.com",
  "cdn.example.net",
  "wpad.corp.example",
  "xn--bcher-kva.example",
];
const PROGRAMS = [
  ["powershell.exe", "powershell.exe -NoProfile -File C:\\Ops\\inventory.ps1"],
  ["curl", "curl -fsS https://updates.example.com/agent.sh"],
  ["sshd", "/usr/sbin/sshd -D"],
  ["winword.exe", '"C:\\Program Files\\Office\\winword.exe" /n'],
] as const;
const CALLS = [
  [1, "CreateAccessKey"],
  [2, "GetObject"],
  [3, "PutBucketPolicy"],
  [4, "DeleteTrail"],
] as const;
const FINDINGS = [
  ["Many failed logins, then a success", 4],
  ["Office program started a shell", 4],
  ["First use of an administrative API from this country", 3],
  ["Known test file (EICAR)", 2],
] as const;

/** What a class adds to the attributes that all share. */
interface Part {
  readonly activity: number;
  readonly severity: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface Kind {
  readonly classUid: number;
  readonly sourcetype: string;
  /** How often, relative to the others. */
  readonly weight: number;
  readonly make: (random: SeededRandom) => Part;
}

function person(random: SeededRandom) {
  const name = random.choose(PEOPLE);
  return { name, uid: `u-${1000 + PEOPLE.indexOf(name)}` };
}

function inside(random: SeededRandom) {
  return {
    ip: `192.0.2.${random.integer(10, 99)}`,
    hostname: random.choose(HOSTS),
    port: random.integer(49152, 65535),
  };
}

function outside(random: SeededRandom) {
  return {
    ip: `198.51.100.${random.integer(1, 254)}`,
    port: random.choose([22, 53, 443, 8443]),
  };
}

const KINDS: readonly Kind[] = [
  {
    classUid: 3002,
    sourcetype: "ocsf:authentication",
    weight: 4,
    make(random) {
      const isRefused = random.next() < 0.3;
      return {
        activity: 1,
        severity: isRefused ? 2 : 1,
        attributes: {
          user: person(random),
          src_endpoint: inside(random),
          service: { name: "sso.example.com" },
          auth_protocol_id: 6,
          is_mfa: random.next() < 0.7,
          status_id: isRefused ? 2 : 1,
          status_detail: isRefused ? "INVALID_CREDENTIALS" : "OK",
        },
      };
    },
  },
  {
    classUid: 6003,
    sourcetype: "ocsf:api_activity",
    weight: 4,
    make(random) {
      const [activity, operation] = random.choose(CALLS);
      return {
        activity,
        severity: activity === 4 ? 3 : 1,
        attributes: {
          actor: { user: person(random) },
          api: { operation, request: { uid: `req_${random.hex(12)}` } },
          src_endpoint: inside(random),
          status_id: 1,
        },
      };
    },
  },
  {
    classUid: 4001,
    sourcetype: "ocsf:network_activity",
    weight: 6,
    make: (random) => ({
      activity: 6,
      severity: 1,
      attributes: {
        src_endpoint: inside(random),
        dst_endpoint: outside(random),
        connection_info: {
          direction_id: 2,
          protocol_name: "tcp",
          protocol_num: 6,
        },
        traffic: {
          bytes_in: random.integer(200, 2_000_000),
          bytes_out: random.integer(200, 90_000),
        },
      },
    }),
  },
  {
    classUid: 4003,
    sourcetype: "ocsf:dns_activity",
    weight: 4,
    make: (random) => ({
      activity: 1,
      severity: 1,
      attributes: {
        src_endpoint: inside(random),
        query: { hostname: random.choose(DOMAINS), type: "A", class: "IN" },
        rcode_id: random.choose([0, 0, 0, 3]),
      },
    }),
  },
  {
    classUid: 1007,
    sourcetype: "ocsf:process_activity",
    weight: 3,
    make(random) {
      const [name, line] = random.choose(PROGRAMS);
      return {
        activity: 1,
        severity: 1,
        attributes: {
          actor: { user: person(random) },
          device: { hostname: random.choose(HOSTS), type_id: 2 },
          process: {
            name,
            cmd_line: line,
            pid: random.integer(300, 32_000),
            file: { name, type_id: 1 },
          },
        },
      };
    },
  },
  {
    classUid: 2004,
    sourcetype: "ocsf:detection_finding",
    weight: 1,
    make(random) {
      const [title, severity] = random.choose(FINDINGS);
      return {
        activity: 1,
        severity,
        attributes: {
          finding_info: { title, uid: `find_${random.hex(10)}` },
          status_id: 1,
        },
      };
    },
  },
];

const EVERY_KIND = KINDS.flatMap((kind) =>
  Array.from({ length: kind.weight }, () => kind)
);

/** Sample events without end; each has the clock's time. The first of each class comes early. */
export function* sampleEvents(
  { seed, clock }: { readonly seed: number; readonly clock: Clock },
): Generator<SampleEvent, never, void> {
  const random = seededRandom(seed);
  for (let number = 0;; number++) {
    const kind = KINDS[number] ?? random.choose(EVERY_KIND);
    const { activity, severity, attributes } = kind.make(random);
    const time = Math.trunc(clock.now());
    const event = JSON.stringify({
      class_uid: kind.classUid,
      category_uid: Math.trunc(kind.classUid / 1000),
      activity_id: activity,
      type_uid: kind.classUid * 100 + activity,
      severity_id: severity,
      time,
      metadata: {
        version: "1.1.0",
        uid: `demo-${random.hex(16)}-${number}`,
        product: { name: "Hecate sample", vendor_name: "Hecate" },
      },
      ...attributes,
    });
    yield {
      event,
      classUid: kind.classUid,
      envelope: `{"time":${(time / 1000).toFixed(3)},"host":"${
        random.choose(HOSTS)
      }","source":"hecate-demo","sourcetype":"${kind.sourcetype}","event":${event}}`,
    };
  }
}
