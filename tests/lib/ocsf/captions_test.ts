import assert from "node:assert/strict";
import { join } from "node:path";
import {
  CATEGORY_CAPTIONS,
  categoryCaption,
  categoryOfClass,
  categoryUid,
  CLASS_CAPTIONS,
  classCaption,
  classUid,
  severityCaption,
  severityId,
} from "../../../lib/ocsf/captions.ts";
import { needsTestData } from "../../support/test_data.ts";

needsTestData(
  "classCaption() and its like know what the 1.1.0 schema knows",
  (directory) => {
    const read = (file: string) =>
      JSON.parse(Deno.readTextFileSync(join(directory, "ocsf-1.1.0", file)));
    const { classes } = read("classes.json");
    const captions = new Set<string>(), categories = new Set<string>();
    for (
      const [text, row] of Object.entries<Record<string, unknown>>(classes)
    ) {
      const uid = Number(text);
      const { caption, category_uid, category_name } = row;
      assert.equal(classCaption(uid), caption);
      assert.equal(classUid(String(caption).toUpperCase()), uid);
      assert.equal(classUid(text), uid);
      assert.equal(categoryOfClass(uid), category_uid);
      assert.equal(categoryCaption(Number(category_uid)), category_name);
      assert.equal(categoryUid(String(category_name)), category_uid);
      captions.add(String(caption));
      categories.add(String(category_name));
    }
    assert.equal(captions.size, 50);
    assert.deepEqual(new Set(CLASS_CAPTIONS), captions);
    assert.deepEqual(new Set(CATEGORY_CAPTIONS), categories);
    const severities = read("enums.json").dictionary.severity_id;
    for (const [text, caption] of Object.entries<string>(severities)) {
      assert.equal(severityCaption(Number(text)), caption);
      assert.equal(severityId(caption.toLowerCase()), Number(text));
      assert.equal(severityId(Number(text)), Number(text));
    }
  },
);

Deno.test("severityId(), classUid() and categoryUid() know nothing else", () => {
  for (const text of ["", "7", "-1", "1.0", "1e0", "Hi", "constructor"]) {
    assert.equal(severityId(text), undefined);
  }
  assert.equal(classUid(6008), undefined);
  assert.equal(classUid(NaN), undefined);
  assert.equal(categoryUid("7"), undefined);
  assert.equal(classUid(" Base Event "), 0);
  assert.equal(classCaption(1), undefined);
});
