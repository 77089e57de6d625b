/** Connectors switched by hand, as the API asks for it: what is set is waited for a moment, then told as in status. */

import type { Clock } from "../clock.ts";
import type { EnableFrom, Hands } from "../log/hands.ts";
import type { Fleet } from "./fleet.ts";
import type { ConnectorReport } from "./status.ts";

/** What can be done to a connector. */
export type SwitchAction =
  | { readonly kind: "disable" }
  | { readonly kind: "enable"; readonly from: EnableFrom }
  | { readonly kind: "probe" };

/**
 * Does it, and tells the connector as in status. "unknown": there is none of this name; "disabled": one that is switched
 * off cannot be probed. @throws what the store throws.
 */
export type Switcher = (
  name: string,
  action: SwitchAction,
) => Promise<ConnectorReport | "unknown" | "disabled">;

/** How long an answer waits for what was asked to be done; it is done after that too. */
const PATIENCE_MS = 2_000;

export function connectorSwitcher(parts: {
  readonly hands: Hands;
  readonly fleet: Fleet;
  readonly clock: Clock;
  /** A connector as in status; undefined: none of this name is configured. */
  readonly report: (name: string) => Promise<ConnectorReport | undefined>;
}): Switcher {
  const { hands, fleet, clock, report } = parts;
  const patiently = async (
    done: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> => {
    const over = new AbortController();
    await Promise.race([
      done(over.signal),
      clock.sleep(PATIENCE_MS, over.signal).catch(() => undefined),
    ]);
    over.abort(new Error("over"));
  };
  return async (name, action) => {
    const before = await report(name);
    if (before === undefined) return "unknown";
    switch (action.kind) {
      case "disable":
        await hands.disable(name);
        break;
      case "enable":
        await hands.enable(name, action.from);
        await patiently((signal) => hands.isSettled(name, signal));
        if (before.state === "disabled") {
          const after = await report(name);
          // Tried at once, by whichever process: its loop may not have begun yet.
          return after === undefined
            ? "unknown"
            : { ...after, next_attempt_at: null };
        }
        break;
      case "probe":
        if (!await hands.probe(name)) return "disabled";
        await patiently(() => fleet.rested(name));
        break;
      default:
        return action satisfies never;
    }
    return await report(name) ?? "unknown";
  };
}
