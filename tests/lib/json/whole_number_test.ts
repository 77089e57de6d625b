import assert from "node:assert/strict";
import { wholeNumber } from "../../../lib/json/whole_number.ts";

Deno.test("wholeNumber() reads every spelling of a whole number, and nothing else", () => {
  for (
    const [json, value] of [
      ["0", 0],
      ["4", 4],
      ['"4"', 4],
      ["3.0", 3],
      ['"3.0"', 3],
      ["1e0", 1],
      ["30E-1", 3],
      ["-2", -2],
      ["9007199254740991", 9007199254740991],
      ["9007199254740993", NaN],
      ["3.5", NaN],
      ["1e400", NaN],
      ["true", NaN],
      ["null", NaN],
      ['""', NaN],
      ['" 4"', NaN],
      ['"04"', NaN],
      ['"4 "', NaN],
      ['"high"', NaN],
      ["[4]", NaN],
      ["{}", NaN],
    ] as const
  ) {
    const bytes = new TextEncoder().encode(`[${json},5]`);
    assert.equal(wholeNumber(bytes, 1, bytes.length - 3), value, json);
  }
});
