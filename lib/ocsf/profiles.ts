/** All profiles, in the order in which they are tried: the first that fits and can be filled counts. */

import { CompiledProfile } from "./profile.ts";
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

export const PROFILES: readonly CompiledProfile[] = [
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
].map((profile) => new CompiledProfile(profile));

/** Fits every event and can always be filled. */
export const BASE: CompiledProfile = new CompiledProfile(base);
