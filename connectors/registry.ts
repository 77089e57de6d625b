/** The SIEM types. A new one is a file beside this and a line here. */

export { crowdstrike } from "./crowdstrike.ts";
export { hec } from "./hec.ts";
export { splunk } from "./splunk.ts";
