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
  "invalid-fields": {
    status: 422,
    title: "Some of what was sent needs a change",
    help:
      "`errors` names each place by a pointer (#/filter/from; ?limit for the query) and says what it must be.",
  },
  "invalid-json": {
    status: 400,
    title: "The body is not JSON",
    help: "The detail says where it stops being JSON.",
  },
  "count-changed": {
    status: 409,
    title: "There are more or fewer than expected",
    help:
      "Nothing was done. `expected` is the number that was sent, `found` what is there now: look again, then send that.",
  },
  "idempotency-key-reused": {
    status: 422,
    title: "This Idempotency-Key belongs to another request",
    help:
      "A key stands for one request and its body for 24 hours. Make a new one.",
  },
  "in-progress": {
    status: 409,
    title: "The same request is still being carried out",
    help: "Wait for its end. With the same Idempotency-Key its answer is kept.",
  },
  "wrong-state": {
    status: 409,
    title: "Its state does not allow that",
    help: "The detail names the state that it is in.",
  },
  "too-large": {
    status: 413,
    title: "The body is too large",
    help: "Send it in parts.",
  },
  "cut-off": {
    status: 408,
    title: "The body did not come to its end",
    help: "It may pause for 60 s and take 10 minutes in all. Send it again.",
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
  /** Members of this kind of problem: `errors`, `expected` and so on. */
  readonly more?: Readonly<Record<string, unknown>>;
}): string {
  const { status, title } = PROBLEMS[slug];
  return JSON.stringify({
    type: `${about.origin}/problems/${slug}`,
    title,
    status,
    detail: about.detail,
    instance: about.instance,
    request_id: about.requestId,
    ...about.more,
  });
}
