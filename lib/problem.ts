/** What is wrong, for people and programs: RFC 9457. Ingest answers in its vendor's own dialect instead. */

/** The closed list of problems so far: status, title, and what the page behind its `type` says. */
export const PROBLEMS = {
  "not-found": {
    status: 404,
    title: "There is nothing here",
    help: "The address may be mistyped. Producers post to /services/collector.",
  },
  "method-not-allowed": {
    status: 405,
    title: "This address does not take that method",
    help: "The Allow header names the methods it takes.",
  },
  "sign-in": {
    status: 401,
    title: "An admin token is needed",
    help:
      "Send it as Authorization: Bearer <token>. The relay prints one at its first start; HECATE_ADMIN_TOKEN sets one.",
  },
  "store-down": {
    status: 503,
    title: "The relay cannot keep events now",
    help: "Producers are told to try again. /readyz lists what failed.",
  },
  "unexpected": {
    status: 500,
    title: "The relay has a fault of its own",
    help: "The log has a line with the same request id.",
  },
} as const satisfies Record<
  string,
  { status: number; title: string; help: string }
>;

export type ProblemSlug = keyof typeof PROBLEMS;

/** A problem as JSON text. `origin` is where the relay was reached: its page about the problem is there. */
export function problemJson(slug: ProblemSlug, about: {
  readonly origin: string;
  readonly detail: string;
  readonly instance: string;
  readonly requestId: string;
}): string {
  const { status, title } = PROBLEMS[slug];
  return JSON.stringify({
    type: `${about.origin}/problems/${slug}`,
    title,
    status,
    detail: about.detail,
    instance: about.instance,
    request_id: about.requestId,
  });
}
