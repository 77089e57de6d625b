/** What a connection test comes to, in a few sentences: what is wrong and the cure, or what was proved (console-and-cli §2.5). */

import type { Reason, StepFault, TestHints, TestStep } from "../connector.ts";

/** What an answer of this kind means; its status and words follow in brackets. */
const MEANINGS: Partial<Readonly<Record<Reason, string>>> = {
  auth: "The credential was refused",
  forbidden: "The credential may not do this",
  path: "That path does not exist there",
  redirect: "It does not answer itself",
  config: "It cannot work with these settings",
  server:
    "The destination has a problem of its own; deliveries are tried again",
  slow_down: "It asks us to slow down; nothing is lost",
  rejected: "It refused what was sent",
  too_large: "It finds what was sent too large",
  unclear: "Its answer means nothing to us",
};

/** Causes that show that the way there is free. */
const REACHED: readonly Reason[] = ["auth", "forbidden"];

/** The diagnosis over the steps of a whole test. */
export function diagnosed(
  steps: readonly TestStep[],
  hints: TestHints | undefined,
): string {
  const failed = steps.find(({ ok }) => !ok);
  return (failed === undefined ? success(steps, hints) : failure(failed, hints))
    .filter((text) => text !== "").map(sentence).join(" ");
}

function success(
  steps: readonly TestStep[],
  hints: TestHints | undefined,
): string[] {
  const event = steps.find(({ name }) => name === "event");
  // The last step knows the most; of several logins each shows something.
  const logins = steps.filter(({ name }) => name === "login");
  const last = steps.at(-1);
  const proofs = event !== undefined
    ? [event.detail]
    : logins.length > 0
    ? logins.map(({ detail }) => detail)
    : [
      last?.name === "address"
        ? "The name was found; UDP answers nothing, so no more can be known from here"
        : "The destination takes the connection; it answers nothing, so whether events arrive shows there",
    ];
  return [
    "It works",
    ...proofs,
    ...steps.map(({ warning = "" }) => warning),
    event === undefined
      ? "A test event shows whether events are stored, too"
      : "",
    hints === undefined ? "" : `Not to be seen there? ${hints.notSeen}`,
  ];
}

function failure(
  { name, fault, detail }: TestStep,
  hints: TestHints | undefined,
): string[] {
  if (fault === undefined) return [detail];
  const { reason, help, ofProxy = false } = fault;
  const isOfAnswer = name === "login" || name === "event";
  return [
    meaning(fault, isOfAnswer),
    isOfAnswer && !ofProxy && REACHED.includes(reason)
      ? "The address is right and reachable"
      : "",
    help,
    ofProxy ? "" : hints?.cures?.[reason] ?? "",
  ];
}

/** A judged answer is status and words: what that means comes first. */
function meaning({ reason, message }: StepFault, isOfAnswer: boolean): string {
  const known = MEANINGS[reason];
  return known !== undefined && isOfAnswer && /^\d{3}\b/.test(message)
    ? `${known} (${message.replace(/\.$/, "")})`
    : message;
}

function sentence(text: string): string {
  return /[.!?…:)]$/.test(text) && !/\(\d{3}\b[^)]*\)$/.test(text)
    ? text
    : `${text}.`;
}
