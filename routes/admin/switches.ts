/** `POST /api/v1/connectors/{name}/disable|enable|probe`: connectors by hand (interface §12). */

import type { Context, Hono } from "hono";
import type { SwitchAction, Switcher } from "../../lib/delivery/switching.ts";
import type { Store } from "../../lib/log/store.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { objectOf, readBytes } from "./bodies.ts";
import { onlyMembers } from "./dead_filter.ts";
import { idempotent } from "./idempotency.ts";
import { FieldFaults, invalidFields } from "./lists.ts";
import { noOtherMethod } from "./methods.ts";

/** More than `{"from":"newest"}` takes, with room for blanks. */
const MOST_BYTES = 1024;

export function mountSwitches(app: Hono<AppVariables>, deps: {
  readonly store: Store;
  readonly switcher: Switcher;
}): void {
  for (const kind of ["disable", "enable", "probe"] as const) {
    const path = `/api/v1/connectors/:name/${kind}` as const;
    app.post(path, async (c) => {
      const body = await readBytes(c, MOST_BYTES);
      if (body instanceof Response) return body;
      const name = c.req.param("name");
      return await idempotent(c, deps.store, body, async () => {
        const action = actionOf(c, kind, body);
        return action instanceof Response
          ? action
          : answer(c, name, await deps.switcher(name, action));
      });
    });
    noOtherMethod(app, path, "POST");
  }
}

function answer(
  c: Context<AppVariables>,
  name: string,
  done: Awaited<ReturnType<Switcher>>,
): Response {
  switch (done) {
    case "unknown":
      return problem(
        c,
        "not-found",
        `There is no connector ${JSON.stringify(name)}.`,
      );
    case "disabled":
      return problem(
        c,
        "wrong-state",
        `${name} is disabled: enable it, then it is tried at once.`,
      );
    default:
      c.header("Cache-Control", "no-store");
      return c.json(done);
  }
}

function actionOf(
  c: Context<AppVariables>,
  kind: SwitchAction["kind"],
  body: Uint8Array,
): SwitchAction | Response {
  const json = objectOf(c, body);
  if (json instanceof Response) return json;
  const { value } = json;
  const known = kind === "enable" ? ["from"] : [];
  const errors = new FieldFaults();
  onlyMembers(value, "#/", known, errors);
  const { from = "here" } = value;
  if (kind === "enable" && from !== "here" && from !== "newest") {
    errors.push({
      pointer: "#/from",
      code: "one_of",
      detail: "here or newest.",
    });
  }
  if (errors.count > 0) return invalidFields(c, errors);
  return kind === "enable"
    ? { kind, from: from === "newest" ? "newest" : "here" }
    : { kind };
}
