/** The SIEM types. A new one is a file beside this and a line here. */

export { crowdstrike } from "./crowdstrike.ts";
export { datadog } from "./datadog.ts";
export { elastic } from "./elastic.ts";
export { hec } from "./hec.ts";
export { qradar } from "./qradar.ts";
export { sentinel } from "./sentinel.ts";
export { splunk } from "./splunk.ts";
export { sumo } from "./sumo.ts";
export { xsiam } from "./xsiam.ts";
