import assert from "node:assert/strict";
import fc from "fast-check";
import { STRING_TEXT } from "../../support/json_text.ts";
import { mapped, segmentOf, segmentOfLines } from "../../support/mapped.ts";
import { testSeed } from "../../support/seed.ts";

/** The members of `event` that `expected` names, at any depth. */
function picked(event: unknown, expected: unknown): unknown {
  if (Array.isArray(expected)) {
    return Array.isArray(event)
      ? event.map((one, i) => picked(one, expected[i]))
      : event;
  }
  if (typeof expected !== "object" || expected === null) return event;
  if (typeof event !== "object" || event === null) return event;
  return Object.fromEntries(
    Object.entries(expected).map(([key, value]) => [
      key,
      picked(Reflect.get(event, key), value),
    ]),
  );
}

function maps(event: unknown, expected: Readonly<Record<string, unknown>>) {
  const found = mapped(segmentOf([JSON.stringify(event)]));
  assert.deepEqual(picked(found, expected), expected);
}

Deno.test("cloudTrail maps calls to API Activity", () => {
  maps({
    eventVersion: "1.08",
    eventTime: "2024-01-15T10:45:23Z",
    eventSource: "s3.amazonaws.com",
    eventName: "DeleteBucket",
    awsRegion: "us-east-1",
    sourceIPAddress: "config.amazonaws.com",
    errorCode: "AccessDenied",
    errorMessage: "no",
    requestID: "r-1",
    recipientAccountId: "123",
    userIdentity: {
      type: "AssumedRole",
      principalId: "A:bob",
      arn: "arn:aws:sts::123:assumed-role/Admin/bob",
    },
  }, {
    class_uid: 6003,
    type_uid: 600304,
    status_id: 2,
    status_code: "AccessDenied",
    actor: { user: { name: "bob", uid: "A:bob", type: "AssumedRole" } },
    api: {
      operation: "DeleteBucket",
      service: { name: "s3.amazonaws.com" },
      request: { uid: "r-1" },
      response: { error: "AccessDenied", error_message: "no" },
    },
    // An AWS service calls by its name.
    src_endpoint: { ip: undefined, name: "config.amazonaws.com" },
    cloud: { provider: "AWS", region: "us-east-1", account: { uid: "123" } },
    metadata: { profiles: ["cloud"], event_code: "DeleteBucket" },
  });
});

Deno.test("cloudTrail maps a console login to Authentication", () => {
  const login = {
    eventTime: "2024-01-15T10:45:23Z",
    eventSource: "signin.amazonaws.com",
    eventName: "ConsoleLogin",
    sourceIPAddress: "203.0.113.5",
    responseElements: { ConsoleLogin: "Failure" },
    additionalEventData: { MFAUsed: "Yes" },
    userIdentity: { type: "IAMUser", userName: "ann" },
  };
  maps(login, {
    type_uid: 300201,
    status: "Failure",
    user: { name: "ann" },
    is_mfa: true,
    src_endpoint: { ip: "203.0.113.5", name: undefined },
  });
  // Without a user there is no Authentication.
  maps({ ...login, userIdentity: null }, {
    type_uid: 600399,
    activity_name: "ConsoleLogin",
    actor: { user: { name: "Unknown" } },
  });
});

Deno.test("entraSignIn maps diagnostic settings' and Graph's sign-ins", () => {
  const properties = {
    createdDateTime: "2026-02-18T07:32:50.5529478Z",
    userPrincipalName: "jane@example.com",
    userId: "u-1",
    appDisplayName: "Portal",
    appId: "a-1",
    ipAddress: "203.0.113.10",
    authenticationProtocol: "saml20",
    authenticationRequirement: "multiFactorAuthentication",
    status: { errorCode: 50126, failureReason: "bad password" },
  };
  const expected = {
    type_uid: 300201,
    time: Date.UTC(2026, 1, 18, 7, 32, 50, 552),
    status_id: 2,
    status_code: "50126",
    status_detail: "bad password",
    user: { name: "jane@example.com", uid: "u-1" },
    service: { name: "Portal", uid: "a-1" },
    src_endpoint: { ip: "203.0.113.10" },
    auth_protocol_id: 5,
    auth_protocol: "SAML",
    is_mfa: true,
  };
  maps(properties, expected);
  maps({
    time: "2026-02-18T07:34:37Z",
    operationName: "Sign-in activity",
    category: "SignInLogs",
    tenantId: "t-1",
    Level: "4",
    properties,
  }, { ...expected, metadata: { tenant_uid: "t-1" } });
  const { status: _, ...rest } = properties;
  for (
    const [over, inner, id] of [
      [{ resultType: "0" }, {}, 1],
      [{ resultType: 50126 }, { result: "success" }, 2],
      [{ resultType: "Success" }, { result: "success" }, 1],
      [{ resultType: "Failure" }, {}, 2],
      [{ resultType: "odd" }, { result: "failure" }, 2],
      [{ result: "success" }, {}, 1],
      [{ resultType: "odd" }, {}, 0],
      [{}, {}, 0],
    ] as const
  ) {
    maps({
      operationName: "Sign-in activity",
      ...over,
      properties: { ...rest, ...inner },
    }, { status_id: id });
  }
});

Deno.test("okta maps sign-ins, account changes and the rest", () => {
  const common = {
    published: "2026-01-02T03:04:05.678Z",
    severity: "WARN",
    actor: { id: "1", type: "User", alternateId: "a@example.com" },
    client: { ipAddress: "192.0.2.1" },
    outcome: { result: "FAILURE", reason: "VERIFICATION_ERROR" },
    target: [{ id: "2", type: "User", alternateId: "b@example.com" }],
  };
  maps({ ...common, eventType: "user.session.start" }, {
    type_uid: 300201,
    severity_id: 3,
    status_id: 2,
    status_detail: "VERIFICATION_ERROR",
    user: { uid: "1", email_addr: "a@example.com" },
    service: { name: "Okta" },
  });
  maps({ ...common, eventType: "user.mfa.factor.deactivate" }, {
    type_uid: 300111,
    user: { uid: "2" },
    actor: { user: { uid: "1" } },
  });
  // Without the account that was changed it is a call.
  maps({ ...common, eventType: "user.lifecycle.create", target: null }, {
    type_uid: 600301,
    api: { operation: "user.lifecycle.create" },
  });
});

Deno.test("suricata maps alerts, flows, DNS and HTTP", () => {
  const common = {
    timestamp: "2026-01-02T03:04:05.678900+0100",
    flow_id: 1201228494666661,
    src_ip: "10.0.0.1",
    src_port: 1234,
    dest_ip: "2001:db8::1",
    dest_port: 80,
    proto: "TCP",
  };
  const ends = {
    time: Date.UTC(2026, 0, 2, 2, 4, 5, 678),
    src_endpoint: { ip: "10.0.0.1", port: 1234 },
    dst_endpoint: { ip: "2001:db8::1", port: 80 },
  };
  maps({
    ...common,
    event_type: "alert",
    alert: {
      signature: "Bad",
      signature_id: 7,
      severity: 1,
      action: "blocked",
    },
  }, {
    type_uid: 200401,
    severity_id: 4,
    finding_info: { title: "Bad", uid: "1201228494666661" },
    evidences: [{ src_endpoint: ends.src_endpoint }],
    action_id: 2,
    metadata: { profiles: ["security_control"] },
  });
  maps({
    ...common,
    event_type: "flow",
    flow: { bytes_toserver: 5, bytes_toclient: 7 },
  }, { ...ends, type_uid: 400106, traffic: { bytes_out: 5, bytes_in: 7 } });
  maps({
    ...common,
    event_type: "dns",
    dns: { type: "answer", rrname: "a.example", rcode: "NXDOMAIN" },
  }, {
    ...ends,
    type_uid: 400302,
    query: { hostname: "a.example" },
    rcode_id: 3,
  });
  const http = { http_method: "GET", url: "/x", hostname: "a.example" };
  maps({ ...common, event_type: "http", http: { ...http, status: 200 } }, {
    ...ends,
    type_uid: 400203,
    http_request: { http_method: "GET", url: { path: "/x" } },
    http_response: { code: 200 },
  });
  // A request without an answer cannot be HTTP Activity.
  maps({ ...common, event_type: "http", http }, {
    ...ends,
    type_uid: 400106,
    url: { hostname: "a.example", path: "/x" },
  });
});

Deno.test("zeek maps conn.log with dots and with underscores", () => {
  for (const dot of [".", "_"]) {
    maps({
      _path: "conn",
      ts: 1588205199.82437,
      uid: "C1",
      [`id${dot}orig_h`]: "10.0.1.6",
      [`id${dot}orig_p`]: 54243,
      [`id${dot}resp_h`]: "10.0.0.4",
      [`id${dot}resp_p`]: 53,
      proto: "udp",
      duration: 1.5289,
      conn_state: "REJ",
    }, {
      type_uid: 400105,
      time: 1588205199824,
      duration: 1528,
      src_endpoint: { ip: "10.0.1.6", port: 54243 },
      dst_endpoint: { ip: "10.0.0.4", port: 53 },
    });
  }
});

Deno.test("windowsSecurity maps flat events and Winlogbeat's", () => {
  const failed = {
    TargetUserName: "ann",
    TargetUserSid: "S-1-0-0",
    SubjectUserName: "-",
    LogonType: "10",
    AuthenticationPackageName: "Negotiate",
    IpAddress: "::ffff:192.0.2.7",
    IpPort: "50123",
  };
  const expected = {
    type_uid: 300201,
    status_id: 2,
    user: { name: "ann", uid: "S-1-0-0" },
    actor: undefined,
    src_endpoint: { ip: "::ffff:192.0.2.7", port: 50123 },
    device: { hostname: "dc1.example" },
    logon_type_id: 10,
    auth_protocol_id: 99,
    auth_protocol: "Negotiate",
    metadata: { event_code: "4625" },
  };
  maps({
    ...failed,
    EventID: 4625,
    Channel: "Security",
    Hostname: "dc1.example",
    Message: "An account failed to log on.\r\n\r\nSubject:",
  }, { ...expected, message: "An account failed to log on." });
  maps({
    "@timestamp": "2026-01-02T03:04:05Z",
    winlog: {
      event_id: 4625,
      channel: "Security",
      computer_name: "dc1.example",
      event_data: failed,
    },
  }, { ...expected, time: Date.UTC(2026, 0, 2, 3, 4, 5) });
  maps({
    EventID: 4688,
    Channel: "Security",
    Hostname: "w1",
    EventType: "AUDIT_SUCCESS",
    SubjectUserName: "bob",
    NewProcessId: "0x1f4",
    NewProcessName: "C:\\Windows\\System32\\cmd.exe",
    CommandLine: 'cmd /c "x"',
    ProcessId: "0x10",
    ParentProcessName: "C:\\a\\b.exe",
  }, {
    type_uid: 100701,
    status_id: 1,
    actor: { user: { name: "bob" }, process: { pid: 16, name: "b.exe" } },
    process: {
      pid: 500,
      name: "cmd.exe",
      cmd_line: 'cmd /c "x"',
      file: { path: "C:\\Windows\\System32\\cmd.exe" },
    },
  });
  maps({
    EventID: 4726,
    Channel: "Security",
    TargetUserName: "eve",
    SubjectUserName: "bob",
  }, {
    type_uid: 300106,
    user: { name: "eve" },
    actor: { user: { name: "bob" } },
  });
});

Deno.test("gitHubAudit maps actions to API Activity", () => {
  maps({
    "@timestamp": 1621305118553,
    action: "repo.remove_member",
    actor: "bob",
    actor_ip: "192.0.2.9",
    org: "o",
    repo: "o/r",
  }, {
    type_uid: 600304,
    time: 1621305118553,
    actor: { user: { name: "bob", org: { name: "o" } } },
    api: { operation: "repo.remove_member" },
    src_endpoint: { ip: "192.0.2.9" },
    resources: [{ name: "o/r" }],
  });
});

Deno.test("paloAlto maps traffic lines, commas in quotes and all", () => {
  const line = "<14>Jan  5 12:51:34 fw1 1,2026/01/05 12:51:33,0011C1,TRAFFIC," +
    "drop,1,2026/01/05 12:51:33,10.0.0.39,10.1.0.163,0.0.0.0,0.0.0.0," +
    '"Deny, all",,ex\\user,smb,vsys1,ext,int,ethernet1/2,ethernet1/1,LOG,' +
    "2026/01/05 12:51:33,335,1,52689,445,0,0,0x401a,tcp,deny,2229,1287,942," +
    "10,2026/01/05 12:51:01,30,any";
  const event = mapped(segmentOfLines([line]));
  const expected = {
    type_uid: 400105,
    time: Date.UTC(2026, 0, 5, 12, 51, 33),
    src_endpoint: { ip: "10.0.0.39", port: 52689, zone: "ext" },
    dst_endpoint: { ip: "10.1.0.163", port: 445, zone: "int" },
    firewall_rule: { name: "Deny, all" },
    action_id: 2,
    duration: 30_000,
    traffic: { bytes: 2229, bytes_out: 1287, bytes_in: 942 },
    raw_data: line,
    metadata: { loggers: [{ name: "fw1" }] },
  };
  assert.deepEqual(picked(event, expected), expected);
});

Deno.test("base reads CEF's receipt time", () => {
  const timeOf = (rt: string) =>
    mapped(segmentOfLines([`CEF:0|A|B|1|1|n|5|src=1.2.3.4 rt=${rt} x=y`])).time;
  assert.equal(timeOf("1773360000123"), 1_773_360_000_123);
  assert.equal(
    timeOf("Mar 23 2017 16:34:07"),
    Date.UTC(2017, 2, 23, 16, 34, 7),
  );
});

Deno.test("firstLine() gives a message's beginning, cut between characters", () => {
  const seed = testSeed("firstLine()");
  fc.assert(
    fc.property(
      fc.array(STRING_TEXT, { minLength: 1, maxLength: 30 }),
      fc.nat(1100),
      (literals, padding) => {
        const inside = "x".repeat(padding) +
          literals.map((literal) => literal.slice(1, -1)).join("");
        const whole: string = JSON.parse(`"${inside}"`);
        const { message } = mapped(segmentOf([`{"message":"${inside}"}`]));
        const line = whole.split(/[\r\n]/, 1)[0] ?? "";
        if (message === undefined) {
          assert.ok(line === "" || whole === "-", whole);
        } else {
          assert.ok(line.startsWith(message));
          assert.ok(message === line || message.length > 150);
        }
      },
    ),
    { seed, numRuns: 2_000 },
  );
});
