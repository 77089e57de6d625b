import assert from "node:assert/strict";
import { numberEnd, ocsfTime } from "../../../lib/format/ocsf_time.ts";

function timeOf(text: string): string | undefined {
  const bytes = new TextEncoder().encode(`xx${text},"time":9`);
  const end = new TextEncoder().encode(`xx${text}`).length;
  const at = ocsfTime(bytes, 2, end);
  return at < 0
    ? undefined
    : new TextDecoder().decode(bytes.subarray(at, numberEnd(bytes, at, end)));
}

const META = '"metadata":{"a":[{}],"version":"1.1.0","z":"}"}';

Deno.test("ocsfTime() steps over long strings with escapes at any place", () => {
  for (let length = 40; length < 60; length++) {
    for (const tail of ["", '\\"', "\\\\", '\\\\\\"', '\\"x\\"", "y":"']) {
      const text = `{"class_uid":1,"s":"${
        "x".repeat(length)
      }${tail}","time":7,${META}}`;
      assert.equal(timeOf(text), "7", text);
    }
  }
});

Deno.test("ocsfTime() finds the time of an OCSF event only", () => {
  for (
    const [text, time] of [
      [`{"class_uid":1,"time":12,${META}}`, "12"],
      [`{ "time" : 12 ,\n"class_uid" : 1 , ${META} }`, "12"],
      [`{"time":1,"class_uid":1,${META},"time":2}`, "2"],
      [`{"time":1,"class_uid":1,${META},"time":"x"}`, undefined],
      [`{"x":{"time":3},"class_uid":1,${META},"time":4}`, "4"],
      [`{"x":"\\"time\\":5","class_uid":1,${META},"time":6}`, "6"],
      [`{"class_uid":1.0,"time":12,${META}}`, undefined],
      [`{"class_uid":"1","time":12,${META}}`, undefined],
      [`{"class_uid":1,"time":12,"metadata":{"version":1}}`, undefined],
      [`{"class_uid":1,"time":12,"metadata":{}}`, undefined],
      [`{"class_uid":1,"time":12,"metadata":"version"}`, undefined],
      [`{"class_uid":1,"time":12}`, undefined],
      [`{"class_uid":1,${META}}`, undefined],
      ["{}", undefined],
      ["[1]", undefined],
      ['"time"', undefined],
    ] as const
  ) {
    assert.equal(timeOf(text), time, text);
  }
});
