import assert from "node:assert/strict";
import { join } from "node:path";
import { CLASSES, OBJECT_NEEDS } from "../../../lib/ocsf/needs.ts";
import { needsTestData } from "../../support/test_data.ts";

/** What is read of a schema here. */
interface Schema {
  readonly properties?: Readonly<Record<string, Property>>;
  readonly required?: readonly string[];
  readonly allOf?: readonly {
    readonly anyOf?: readonly { readonly required?: readonly string[] }[];
  }[];
  readonly $defs?: Readonly<Record<string, Schema>>;
}

interface Property {
  readonly $ref?: string;
  readonly items?: Property;
}

/** Written for every event. */
const COMMON = [
  "activity_id",
  "category_uid",
  "class_uid",
  "metadata",
  "severity_id",
  "time",
  "type_uid",
];

/** Written for every event, `metadata` itself: its needs are met by the engine. */
const ENGINE = new Set(["metadata"]);

function anyOf(schema: Schema): string[] {
  return (schema.allOf ?? []).flatMap((one) =>
    one.anyOf?.every((each) => each.required?.length === 1)
      ? one.anyOf.flatMap((each) => each.required ?? [])
      : []
  ).sort();
}

needsTestData(
  "CLASSES and OBJECT_NEEDS demand what the schemas demand",
  (directory) => {
    const root = join(directory, "ocsf-1.1.0");
    const table = JSON.parse(Deno.readTextFileSync(join(root, "classes.json")));
    const compared = new Set<string>();
    for (const [uid, mapped] of Object.entries(CLASSES)) {
      const row = table.classes[uid];
      assert.equal(mapped.name, row.caption);
      assert.deepEqual({ ...mapped.activities }, row.activities);
      const schema: Schema = JSON.parse(
        Deno.readTextFileSync(join(root, "strict", `${row.name}.schema.json`)),
      );
      assert.deepEqual(
        [...COMMON, ...mapped.needs.all ?? []].sort(),
        [...schema.required ?? []].sort(),
      );
      assert.deepEqual([...mapped.needs.any ?? []].sort(), anyOf(schema));
      // Every object below it that has needs, by the attribute that holds it.
      for (const each of [schema, ...Object.values(schema.$defs ?? {})]) {
        for (const [name, property] of Object.entries(each.properties ?? {})) {
          const ref = property.$ref ?? property.items?.$ref;
          if (ref === undefined || ENGINE.has(name)) continue;
          const needs = OBJECT_NEEDS[name];
          if (needs === undefined) continue;
          const object = schema.$defs?.[ref.slice("#/$defs/".length)];
          assert.ok(object, ref);
          assert.deepEqual(
            [[...needs.all ?? []].sort(), [...needs.any ?? []].sort()],
            [[...object.required ?? []].sort(), anyOf(object)],
            `${row.name}: ${name}`,
          );
          compared.add(name);
        }
      }
    }
    assert.deepEqual([...compared].sort(), Object.keys(OBJECT_NEEDS).sort());
  },
);
