/** What the fleet knows of its connectors, for status and for the other processes. */

import type { ConfiguredConnector } from "../config/load_connector.ts";
import type { Hands } from "../log/hands.ts";
import type { Told } from "../log/share.ts";
import type { Fleet } from "./fleet.ts";
import type { ReportedConnector } from "./status.ts";
import { NEVER_WARNED } from "./warnings.ts";

/** Characters of a warning that are shared. */
const MAX_WARNING = 300;

/** Every configured connector; those that no source feeds have no loop. */
export function reportedConnectors(
  connectors: readonly ConfiguredConnector[],
  hands: Hands,
  fleet: Fleet,
): ReportedConnector[] {
  const live = new Map(fleet.live().map((one) => [one.name, one]));
  return connectors.map(({ name, type, isFed }) => ({
    name,
    type: type.type,
    oldestWaiting: live.get(name)?.oldestWaiting ?? null,
    warning: live.get(name)?.warning ?? null,
    warned: live.get(name)?.warned ?? NEVER_WARNED,
    isDisabled: !hands.of(name).isEnabled,
    isFed,
  }));
}

/** What SIEMs warned of and how often, by the connectors that this process holds. */
export function warningsOf(fleet: Fleet): Record<string, Told> {
  return Object.fromEntries(
    fleet.live().flatMap(({ name, warning, warned }) =>
      warning === null && warned.answers === 0 ? [] : [[name, {
        warning: (warning ?? "").slice(0, MAX_WARNING),
        ...warned,
      }]]
    ),
  );
}
