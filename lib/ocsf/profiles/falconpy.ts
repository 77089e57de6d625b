/** Events of FalconPy's HEC client: a message with a time in the unit that it names (seed `falconpy-hec`). */

import { always, has, is, oneOf } from "../choices.ts";

import type { Profile } from "../profile.ts";
import { firstLine } from "../text_parts.ts";
import { product, severityWord } from "./words.ts";

/** The event itself, or still in the envelope that its raw mode sends as a line. */
const at = (name: string) => [name, `event.${name}`];

export const falconPy: Profile = {
  name: "falconpy",
  when: [
    oneOf(has("timeunit"), has("event.timeunit")),
    is(
      at("timeunit"),
      "nanoseconds",
      "microseconds",
      "milliseconds",
      "seconds",
    ),
  ],
  product: product("CrowdStrike", "FalconPy"),
  classUid: 0,
  activity: always(0),
  severity: severityWord(...at("severity"), ...at("level")),
  time: at("timestamp"),
  message: firstLine(...at("message")),
};
