/** `POST /api/v1/connectors/{name}/test`: a connection test (interface §17). Behind `/api/*`'s admin token. */

import type { Hono } from "hono";
import type { TestReport } from "../../lib/delivery/test_connection.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";

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
  test: ConnectorTester,
): void {
  const running = new Set<string>();
  app.post(PATH, async (c) => {
    const asked = await optionsOf(c.req.raw);
    switch (asked) {
      case "too large":
        return problem(
          c,
          "too-large",
          `The body may take ${MOST_BYTES} bytes: {"event":true}, or none.`,
        );
      case "no JSON":
        return problem(
          c,
          "invalid-json",
          'It must be {"event":true}, {"event":false} or empty.',
        );
    }
    const name = c.req.param("name");
    if (running.has(name)) {
      return problem(
        c,
        "in-progress",
        `A test of ${JSON.stringify(name)} is under way; it ends within 30 s.`,
      );
    }
    running.add(name);
    try {
      const report = await test(name, asked, c.req.raw.signal);
      if (report === undefined) {
        return problem(
          c,
          "not-found",
          `There is no connector ${JSON.stringify(name)}.`,
        );
      }
      c.header("Cache-Control", "no-store");
      return c.json(report);
    } finally {
      running.delete(name);
    }
  });
  app.all(PATH, (c) =>
    problem(
      c,
      "method-not-allowed",
      `${c.req.method} is not offered here.`,
      { Allow: "POST" },
    ));
}

async function optionsOf(
  request: Request,
): Promise<ConnectorTestOptions | "too large" | "no JSON"> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of request.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MOST_BYTES) return "too large";
  }
  if (text.trim() === "") return { event: false };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return "no JSON";
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return "no JSON";
  }
  const { event = false, ...others } = Object.fromEntries(Object.entries(json));
  return typeof event === "boolean" && Object.keys(others).length === 0
    ? { event }
    : "no JSON";
}
