/** The configured connectors, from their settings to their loops: who is on, what each filters, its sink. */

import type { Clock } from "../clock.ts";
import type { ConfiguredConnector } from "../config/load_connector.ts";
import { openSinks } from "../config/open_sinks.ts";
import type { RelaySettings } from "../config/relay.ts";
import type { SinkEnvironment } from "../connector.ts";
import { Hands } from "../log/hands.ts";
import { takeLease } from "../log/lease.ts";
import type { EventLog } from "../log/log.ts";
import type { Replays } from "../log/replays.ts";
import { oldestWaiting } from "../log/waiting.ts";
import type { Logger } from "../logger.ts";
import { DeadLetterFile } from "./dead_letter_file.ts";
import { Fleet } from "./fleet.ts";
import { openFilter } from "./scope_filter.ts";

/** Which connectors are on: by hand, or at their first start as configured. Says where the two differ. */
export async function openHands(
  log: EventLog,
  connectors: readonly ConfiguredConnector[],
  logger: Logger,
): Promise<Hands> {
  const hands = await Hands.open(
    log,
    connectors.map(({ name, common: { enabled } }) => ({ name, enabled })),
  );
  for (const { name, common } of connectors) {
    const { isEnabled } = hands.of(name);
    if (isEnabled === common.enabled) continue;
    logger.log(
      "warn",
      "config.warning",
      `The connector is ${
        isEnabled ? "on" : "off"
      }, as it was left: the configuration's \`enabled\` counted at its first start only. \`hecate connectors enable|disable\` switches it.`,
      { connector: name },
    );
  }
  return hands;
}

/** A loop for each connector that a source feeds, not started yet; or what its type or this Deno refuses, as lines. */
export async function openFleet(parts: {
  readonly log: EventLog;
  readonly replays: Replays;
  readonly hands: Hands;
  readonly relay: RelaySettings;
  readonly connectors: readonly ConfiguredConnector[];
  readonly environment: SinkEnvironment;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}): Promise<
  | { readonly ok: true; readonly fleet: Fleet }
  | { readonly ok: false; readonly faults: readonly string[] }
> {
  const { log, replays, hands, relay, environment, logger } = parts;
  const active = parts.connectors.filter(({ isFed }) => isFed);
  // Filters first: what has to be awaited must not come between sinks that are open and the fleet that closes them.
  const filters = await Promise.all(
    active.map(({ name, scope }) =>
      scope && openFilter(scope, environment.ocsf, (why) =>
        logger.log(
          "warn",
          "config.warning",
          "scope.when failed for an event; such events pass.",
          { connector: name, error: why },
        ))
    ),
  );
  const deadLetterFile = relay.deadLetterPath === undefined
    ? undefined
    : new DeadLetterFile(relay.deadLetterPath, logger);
  // Nothing is written yet: a path that cannot be written to is said at the start, not at the first dead letter.
  void deadLetterFile?.append([]);
  const opened = await openSinks(active, environment);
  if (!opened.ok) return opened;
  const fleet = new Fleet({
    connectors: opened.sinks.map(({ connector, sink }, at) => ({
      name: connector.name,
      type: connector.type.type,
      sink,
      filter: filters[at],
      batchWait: connector.common.batchWait,
    })),
    source: log,
    takeLease: (name, signal) => takeLease(log, name, { signal }),
    hands,
    oldestWaiting: (name) => oldestWaiting(log, name),
    settings: {
      retry: relay.retry,
      probe: relay.probe,
      expire: relay.expire,
      ...relay.retry.policy === "strict" && { strict: relay.retry },
    },
    clock: parts.clock,
    random: parts.random,
    logger,
    ...(deadLetterFile === undefined ? {} : { deadLetterFile }),
    replays,
  });
  return { ok: true, fleet };
}
