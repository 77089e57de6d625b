/** All profiles, in the order in which they are tried: the first that fits and can be filled counts. */

import { CompiledProfile, type Profile } from "./profile.ts";
import { base } from "./profiles/base.ts";
import { cloudTrail } from "./profiles/cloudtrail.ts";
import { elisity } from "./profiles/elisity.ts";
import { entraSignIn } from "./profiles/entra.ts";
import { falconPy } from "./profiles/falconpy.ts";
import { gitHubAudit } from "./profiles/github.ts";
import { okta } from "./profiles/okta.ts";
import { paloAlto } from "./profiles/paloalto.ts";
import { suricata } from "./profiles/suricata.ts";
import { windowsSecurity } from "./profiles/windows.ts";
import { zeek } from "./profiles/zeek.ts";

const ALL: readonly Profile[] = [
  ...suricata,
  ...cloudTrail,
  ...zeek,
  ...windowsSecurity,
  ...okta,
  entraSignIn,
  ...elisity,
  falconPy,
  ...paloAlto,
  gitHubAudit,
  // Fits every event and can always be filled.
  base,
];

let compiled: readonly CompiledProfile[] | undefined;

/** Compiled when the first event is mapped, not when the relay starts. */
export function profiles(): readonly CompiledProfile[] {
  return compiled ??= ALL.map((profile) => new CompiledProfile(profile));
}
