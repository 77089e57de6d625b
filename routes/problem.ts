/** Problems as HTTP replies (RFC 9457), and the page behind each problem's `type`. */

import type { Context, Hono } from "hono";
import { problemJson, PROBLEMS, type ProblemSlug } from "../lib/problem.ts";
import { addressOf } from "./address.ts";
import { page } from "./page.ts";
import type { AppVariables } from "./request_id.ts";

/** The reply that a problem makes. `more`: members of this kind of problem. */
export function problem(
  c: Context<AppVariables>,
  slug: ProblemSlug,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
  more: Readonly<Record<string, unknown>> = {},
): Response {
  const { origin, pathname } = addressOf(c.req.url);
  const text = problemJson(slug, {
    origin,
    detail,
    instance: pathname,
    requestId: c.get("requestId"),
    more,
  });
  return c.body(text, PROBLEMS[slug].status, {
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
    ...headers,
  });
}

/** Mounts `/problems/{slug}`. */
export function mountProblems(app: Hono<AppVariables>): void {
  app.get("/problems/:slug", (c) => {
    const slug = c.req.param("slug");
    if (!isSlug(slug)) return c.notFound();
    const { title, status, help } = PROBLEMS[slug];
    return page(c, title, [`HTTP ${status} · ${slug}`, help]);
  });
  app.all("/problems/:slug", (c) =>
    isSlug(c.req.param("slug"))
      ? problem(
        c,
        "method-not-allowed",
        `${c.req.method} is not offered here.`,
        { Allow: "GET, HEAD" },
      )
      : c.notFound());
}

function isSlug(text: string): text is ProblemSlug {
  return Object.hasOwn(PROBLEMS, text);
}
