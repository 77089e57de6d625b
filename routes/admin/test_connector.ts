/** `POST /api/v1/connectors/{name}/test`: a connection test (interface §17). Behind `/api/*`'s admin token. */

import type { Context, Hono } from "hono";
import type { TestReport } from "../../lib/delivery/test_connection.ts";
import type { Store } from "../../lib/log/store.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { objectOf, readBytes } from "./bodies.ts";
import { onlyMembers } from "./dead_filter.ts";
import { idempotent } from "./idempotency.ts";
import { FieldFaults, invalidFields } from "./lists.ts";
import { noOtherMethod } from "./methods.ts";

const PATH = "/api/v1/connectors/:name/test";

/** More than `{"event":true}` takes, with room for blanks. */
const MOST_BYTES = 1024;

/** What a test is asked for with. */
export interface ConnectorTestOptions {
  /** Whether to send one marked event at the end. */
  readonly event: boolean;
}

/** Tests a configured connector; undefined: there is none of this name. */
export type ConnectorTester = (
  name: string,
  options: ConnectorTestOptions,
  signal: AbortSignal,
) => Promise<TestReport | undefined>;

export function mountConnectorTest(
  app: Hono<AppVariables>,
  { store, test }: { readonly store: Store; readonly test: ConnectorTester },
): void {
  const running = new Set<string>();
  app.post(PATH, async (c) => {
    const body = await readBytes(c, MOST_BYTES);
    if (body instanceof Response) return body;
    const name = c.req.param("name");
    // Not kept under an Idempotency-Key: asked again later, it is carried out.
    if (running.has(name)) {
      return problem(
        c,
        "in-progress",
        `A test of ${JSON.stringify(name)} is under way; it ends within 30 s.`,
      );
    }
    running.add(name);
    try {
      return await idempotent(c, store, body, async () => {
        const options = optionsOf(c, body);
        if (options instanceof Response) return options;
        const report = await test(name, options, c.req.raw.signal);
        if (report === undefined) {
          return problem(
            c,
            "not-found",
            `There is no connector ${JSON.stringify(name)}.`,
          );
        }
        c.header("Cache-Control", "no-store");
        return c.json(report);
      });
    } finally {
      running.delete(name);
    }
  });
  noOtherMethod(app, PATH, "POST");
}

function optionsOf(
  c: Context<AppVariables>,
  body: Uint8Array,
): ConnectorTestOptions | Response {
  const json = objectOf(c, body);
  if (json instanceof Response) return json;
  const { value } = json;
  const errors = new FieldFaults();
  onlyMembers(value, "#/", ["event"], errors);
  const { event = false } = value;
  if (typeof event !== "boolean") {
    errors.push({
      pointer: "#/event",
      code: "type",
      detail: "true or false.",
    });
  }
  return errors.count > 0
    ? invalidFields(c, errors)
    : { event: event === true };
}
