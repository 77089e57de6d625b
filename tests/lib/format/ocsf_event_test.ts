import assert from "node:assert/strict";
import { EventView } from "../../../lib/event.ts";
import {
  isOcsf,
  OCSF_TIME,
  withOcsfTime,
} from "../../../lib/format/ocsf_event.ts";
import { madeSegment } from "../../support/made_segment.ts";

const META = '"metadata":{"a":[{}],"version":"1.1.0","z":"}"}';

Deno.test("isOcsf() and withOcsfTime() know an OCSF event and its time", () => {
  for (
    const [text, ocsf, time] of [
      [`{"class_uid":1,"time":12,${META}}`, true, "12"],
      [`{ "time" : 12 ,\n"class_uid" : 1 , ${META} }`, true, "12"],
      [`{"time":1,"class_uid":1,${META},"time":2}`, true, "2"],
      [`{"time":1,"class_uid":1,${META},"time":"x"}`, true, undefined],
      [`{"x":{"time":3},"class_uid":-1,${META},"time":-4.5}`, true, "-4.5"],
      [`{"x":"\\"time\\":5","class_uid":1,${META},"time":6}`, true, "6"],
      [`{"\\u0063lass_uid":1,${META},"tim\\u0065":7}`, true, "7"],
      [`{"class_uid":1,${META}}`, true, undefined],
      [`{"class_uid":1.0,"time":12,${META}}`, false, undefined],
      [`{"class_uid":1e3,"time":12,${META}}`, false, undefined],
      [`{"class_uid":"1","time":12,${META}}`, false, undefined],
      [`{"class_uid":null,"time":12,${META}}`, false, undefined],
      [`{"class_uid":[1],"time":12,${META}}`, false, undefined],
      [`{"class_uid":1,"time":1,"metadata":{"version":1}}`, false, undefined],
      [`{"class_uid":1,"time":1,"metadata":{}}`, false, undefined],
      [`{"class_uid":1,${META},"metadata":{},"time":1}`, false, undefined],
      [`{"class_uid":1,"time":1,"metadata":"version"}`, false, undefined],
      [`{"class_uid":1,"time":12}`, false, undefined],
      [`[{"class_uid":1,"time":12,${META}}]`, false, undefined],
      ["{}", false, undefined],
      ['"time"', false, undefined],
    ] as const
  ) {
    const segment = madeSegment({ number: 1, events: ['{"a":1}', text] });
    const view = new EventView().at(segment, 1);
    assert.equal(isOcsf(view), ocsf, text);
    const spans = withOcsfTime(view);
    assert.equal(
      spans && new TextDecoder().decode(
        view.bytes.subarray(spans.start(OCSF_TIME), spans.end(OCSF_TIME)),
      ),
      time,
      text,
    );
    const raw = madeSegment({ number: 1, events: [text], isRaw: true });
    assert.ok(!isOcsf(new EventView().at(raw, 0)));
  }
});
