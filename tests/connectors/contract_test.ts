import assert from "node:assert/strict";
import * as registry from "../../connectors/registry.ts";
import { scanBody } from "../../lib/json/scanner.ts";
import { EVENT, ROW, SpanTable } from "../../lib/json/spans.ts";
import type { SeenRequest } from "../support/scripted_server.ts";
import { lines as messageLines, parseMessage } from "../support/cef_text.ts";
import { answer } from "../support/sinks.ts";
import { SyslogPeer } from "../support/syslog_peer.ts";
import { granted, sentinelEnv } from "../support/azure.ts";
import { runContract } from "./contract.ts";
import { bodyOf } from "./contract_http.ts";
import { type ContractSubject, type Peer, SECRET } from "./contract_subject.ts";

/** The `event` of each envelope in a body. */
function enveloped(body: Uint8Array): string[] {
  const table = new SpanTable();
  assert.equal(scanBody(body, table), undefined);
  return Array.from({ length: table.count }, (_, i) => {
    const at = i * ROW + EVENT;
    return new TextDecoder().decode(
      body.subarray(table.words[at], table.words[at + 1]),
    );
  });
}

/** The event inside `{"data":…,"collector_ms":…}`, a line each. */
function wrapped(body: Uint8Array): string[] {
  return new TextDecoder().decode(body).split("\n").map((line) => {
    const [, event] = /^\{"data":(.*),"collector_ms":\d{13}\}$/.exec(line) ??
      [];
    assert.ok(event !== undefined, line);
    return event;
  });
}

/** The documents of a bulk body, without what was added. */
function bulked(body: Uint8Array): string[] {
  const lines = new TextDecoder().decode(body).split("\n");
  assert.equal(lines.pop(), "");
  return lines.filter((_, i) => i % 2 === 1).map((line) => {
    const [, members] = /^\{"@timestamp":"[^"]*",(.*)\}$/.exec(line) ?? [];
    assert.ok(members !== undefined, line);
    const [, message] = /^"message":(.*)$/.exec(members) ?? [];
    return message ?? `{${members}}`;
  });
}

/** A bulk answer that every event was taken. */
function bulkTaken(request: SeenRequest): string {
  const items = bulked(bodyOf(request)).map(() => ({ index: { status: 201 } }));
  return answer(200, { errors: false, items });
}

/** `raw_ocsf` of each line. */
function rawOcsf(body: Uint8Array): string[] {
  return new TextDecoder().decode(body).split("\n").map((line) =>
    JSON.parse(line).raw_ocsf
  );
}

/** `message` of each entry. */
function messages(body: Uint8Array): string[] {
  const entries: { message: string }[] = JSON.parse(
    new TextDecoder().decode(body),
  );
  return entries.map(({ message }) => message);
}

function lines(body: Uint8Array): string[] {
  return new TextDecoder().decode(body).split("\n");
}

/** `RawOCSF` of each row. */
function rawOcsfColumn(body: Uint8Array): string[] {
  const rows: { RawOCSF: string }[] = JSON.parse(
    new TextDecoder().decode(body),
  );
  return rows.map((row) => row.RawOCSF);
}

/** A receiver over TCP. */
function syslogPeer(): Peer {
  const peer = new SyslogPeer();
  return {
    base: `http://127.0.0.1:${peer.port}`,
    async body(events) {
      await peer.until(() => peer.messages.length >= events);
      return peer.connections[0]?.bytes ?? new Uint8Array(0);
    },
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}

const SUBJECTS: Readonly<Record<keyof typeof registry, ContractSubject>> = {
  splunk: {
    env: (base) => ({ SPLUNK_HEC_URL: base, SPLUNK_HEC_TOKEN: SECRET }),
    eventsOf: enveloped,
    speaks: {
      protocol: "http",
      success: answer(200, { text: "Success", code: 0 }),
    },
  },
  crowdstrike: {
    env: (base) => ({ NGSIEM_URL: base, NGSIEM_API_KEY: SECRET }),
    eventsOf: enveloped,
    speaks: {
      protocol: "http",
      success: answer(200, { text: "Success", code: 0 }),
    },
  },
  hec: {
    env: (base) => ({ HEC_URL: `${base}/logs`, HEC_TOKEN: SECRET }),
    eventsOf: wrapped,
    speaks: { protocol: "http", success: answer(204) },
  },
  elastic: {
    env: (base) => ({ ELASTIC_URL: base, ELASTIC_API_KEY: `id:${SECRET}` }),
    eventsOf: bulked,
    speaks: {
      protocol: "http",
      success: bulkTaken,
      credential: new RegExp(
        `^authorization: ApiKey ${btoa(`id:${SECRET}`)}`,
        "im",
      ),
      ownTest: true,
    },
  },
  xsiam: {
    env: (base) => ({ XSIAM_URL: base, XSIAM_API_KEY: SECRET }),
    eventsOf: rawOcsf,
    speaks: { protocol: "http", success: answer(200, { error: "false" }) },
  },
  datadog: {
    env: (base) => ({ DATADOG_URL: base, DATADOG_API_KEY: SECRET }),
    eventsOf: messages,
    isEvent: (found, given) =>
      assert.equal(
        given.startsWith('"') ? JSON.stringify(found) : found,
        given,
      ),
    speaks: {
      protocol: "http",
      success: answer(202, {}),
      credential: new RegExp(`^dd-api-key: ${SECRET}`, "im"),
      table: {
        "403": {
          because: "Datadog says so to unknown keys",
          kind: "held",
          reason: "auth",
        },
      },
      ownTest: true,
    },
  },
  sumo: {
    env: (base) => ({
      SUMO_HTTP_SOURCE_URL: `${base}/receiver/v1/http/${SECRET}`,
    }),
    eventsOf: lines,
    speaks: {
      protocol: "http",
      success: answer(200),
      credential: new RegExp(`^POST /receiver/v1/http/${SECRET} `),
    },
  },
  qradar: {
    env(base) {
      const { hostname, port } = new URL(base);
      return { QRADAR_SYSLOG_HOST: hostname, QRADAR_SYSLOG_PORT: port };
    },
    eventsOf: messageLines,
    // CEF carries chosen fields: the message must be whole and say which event it is.
    isEvent: (found) => assert.ok(parseMessage(found).values.has("externalId")),
    marked: /\|hecate\.test\|3\|/,
    speaks: { protocol: "socket", listen: syslogPeer },
  },
  sentinel: {
    env: (base) => sentinelEnv(base, SECRET),
    eventsOf: rawOcsfColumn,
    speaks: {
      protocol: "http",
      prelude: ({ head }) =>
        / \S+\/oauth2\/v2\.0\/token HTTP/.test(head)
          ? granted(SECRET)
          : undefined,
      success: answer(204),
      table: {
        "401": {
          because: "A refused token is fetched anew once",
          kind: "held",
          reason: "auth",
          deliveries: 2,
        },
      },
      ownTest: true,
    },
  },
};

for (const [name, type] of Object.entries(registry)) {
  const subject = Object.entries(SUBJECTS).find(([key]) => key === name)?.[1];
  if (subject !== undefined) runContract(type, subject);
}

Deno.test("registry: types are named as they are exported and share no prefix", () => {
  const types = Object.entries(registry);
  for (const [name, type] of types) {
    assert.equal(type.type, name);
    assert.ok(Object.hasOwn(SUBJECTS, name), `${name} has no contract test`);
  }
  const prefixes = types.map(([, type]) => type.prefix);
  assert.equal(new Set(prefixes).size, types.length);
});
