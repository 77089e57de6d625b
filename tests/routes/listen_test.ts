import assert from "node:assert/strict";
import {
  AddressInUse,
  listen,
  ListenFault,
  type ListenOptions,
} from "../../routes/listen.ts";
import { makeCertificates } from "../support/certificates.ts";

const OPTIONS: ListenOptions = {
  host: "127.0.0.1",
  port: 0,
  tls: undefined,
  isChosenByPlatform: false,
};

const certificates = await makeCertificates();

/** The fault, whose message is one line. */
function faultOf(
  options: Partial<ListenOptions>,
  serve?: typeof Deno.serve,
): ListenFault {
  try {
    void listen(() => new Response(), { ...OPTIONS, ...options }, serve)
      .shutdown();
  } catch (fault) {
    assert.ok(fault instanceof ListenFault, String(fault));
    assert.doesNotMatch(fault.message, /\n/);
    return fault;
  }
  throw new assert.AssertionError({ message: "it listens" });
}

/** A runtime that says this (tests have no permission for far addresses). */
function saying(error: Error): typeof Deno.serve {
  return () => {
    throw error;
  };
}

Deno.test("listen() of a port in use is AddressInUse", async () => {
  const first = listen(() => new Response(), OPTIONS);
  const port = Number(new URL(first.url).port);
  const fault = faultOf({ port });
  assert.ok(fault instanceof AddressInUse);
  assert.match(fault.message, /^Port \d+ on 127\.0\.0\.1 is in use/);
  await first.shutdown();
});

Deno.test("listen() names HECATE_HOST where it is no address of this machine", () => {
  for (
    const error of [
      new Deno.errors.AddrNotAvailable("Cannot assign requested address"),
      new Error("failed to lookup address information: Name not known"),
      new URIError("invalid host 'a b': invalid char found in FQDN"),
    ]
  ) {
    const fault = faultOf({ host: "relay.invalid" }, saying(error));
    assert.ok(!(fault instanceof AddressInUse));
    assert.match(fault.message, /^HECATE_HOST: "relay\.invalid"/);
  }
});

Deno.test("listen() names HECATE_PORT where the port is not ours to open", () => {
  const denied = new Deno.errors.PermissionDenied("Permission denied");
  assert.match(
    faultOf({ port: 80 }, saying(denied)).message,
    /^HECATE_PORT: .*port 80 of 127\.0\.0\.1/,
  );
});

Deno.test("listen() tells any other fault in one line", () => {
  assert.equal(
    faultOf({ port: 81 }, saying(new Error("odd"))).message,
    "Hecate cannot listen on 127.0.0.1:81: odd",
  );
});

Deno.test({
  name: "listen() names the certificate and key that cannot be used",
  ignore: certificates === undefined,
  fn() {
    assert.ok(certificates);
    const { good, client } = certificates;
    const garbage = (label: string, text: string) =>
      `-----BEGIN ${label}-----\n${text}\n-----END ${label}-----\n`;
    for (const text of ["!!!", "bm90IGEga2V5"]) {
      for (
        const tls of [
          { ...good, cert: garbage("CERTIFICATE", text) },
          { ...good, key: garbage("PRIVATE KEY", text) },
        ]
      ) {
        const { message } = faultOf({ tls });
        assert.match(message, /^HECATE_TLS_CERT, HECATE_TLS_KEY: /);
        assert.ok(!message.includes(text));
      }
    }
    const { message } = faultOf({ tls: { cert: good.cert, key: client.key } });
    assert.match(message, /^HECATE_TLS_CERT, HECATE_TLS_KEY: .*KeyMismatch/);
  },
});
