/** OCSF 1.1.0 events judged by the schemas of the test data. */

import assert from "node:assert/strict";
import { join } from "node:path";
import Ajv, { type ValidateFunction } from "ajv/dist/2020.js";

/** What is wrong with one event: nothing when it is valid. */
export type OcsfJudge = (event: unknown) => string | undefined;

/**
 * A judge by the schema of the event's class; by what all classes require where the class has none.
 * Each schema is compiled once, when it is first asked for.
 */
export function ocsfJudge(
  directory: string,
  strictness: "strict" | "lenient" = "strict",
): OcsfJudge {
  const root = join(directory, "ocsf-1.1.0");
  const names = new Map<number, string>();
  const table = JSON.parse(Deno.readTextFileSync(join(root, "classes.json")));
  for (const [uid, row] of Object.entries(table.classes)) {
    assert.ok(typeof row === "object" && row !== null && "name" in row);
    names.set(Number(uid), String(row.name));
  }
  // The schemas' `$comment`s name formats that Ajv need not know.
  const ajv = new Ajv.default({ strict: false, logger: false });
  const compiled = new Map<string, ValidateFunction>();
  const schemaOf = (uid: number): ValidateFunction => {
    const file = `${names.get(uid)}.schema.json`;
    const folder = strictness === "strict" ? join(root, "strict") : root;
    let path = join(folder, file);
    try {
      Deno.statSync(path);
    } catch {
      path = join(root, "any_event.schema.json");
    }
    let validate = compiled.get(path);
    if (validate === undefined) {
      validate = ajv.compile(JSON.parse(Deno.readTextFileSync(path)));
      compiled.set(path, validate);
    }
    return validate;
  };
  return (event) => {
    if (typeof event !== "object" || event === null) return "no object";
    const uid = "class_uid" in event ? Number(event.class_uid) : NaN;
    const validate = schemaOf(uid);
    return validate(event)
      ? undefined
      : `class ${uid}: ${ajv.errorsText(validate.errors)}`;
  };
}
