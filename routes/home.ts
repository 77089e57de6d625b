/** The page at `/`: what this is and where to post. */

import type { Hono } from "hono";
import { addressOf } from "./address.ts";
import { page } from "./page.ts";
import { problem } from "./problem.ts";
import type { AppVariables } from "./request_id.ts";

export function mountHome(app: Hono<AppVariables>, version: string): void {
  app.get("/", (c) => {
    const accept = c.req.header("Accept") ?? "*/*";
    if (/\bjson\b/i.test(accept) && !/text\/html/i.test(accept)) {
      return problem(
        c,
        "not-found",
        "This address is a page for people. Figures are at /api/v1/status.",
      );
    }
    const { origin } = addressOf(c.req.url);
    const collector = `${origin}/services/collector/event`;
    return page(c, "One address in, every SIEM out", [
      `Hecate ${version} takes security events as Splunk’s HTTP Event Collector and CrowdStrike’s NG-SIEM do, keeps each of them durably, and delivers it, in order, to every configured SIEM.`,
      { heading: "Where to post" },
      { code: collector },
      "Put an ingest token in HECATE_TOKEN and send one event:",
      {
        code:
          `curl ${collector} -H "Authorization: Splunk $HECATE_TOKEN" -d '{"event":{"message":"hello"}}'`,
      },
      `{"text":"Success","code":0} means that the event is stored. Lines of text go to /services/collector/raw.`,
      { heading: "How it is" },
      {
        links: [
          ["/healthz", "the process answers"],
          ["/readyz", "it can accept and keep events"],
          ["/services/collector/health", "the same, for HEC clients"],
        ],
      },
    ]);
  });
}
