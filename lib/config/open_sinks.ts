/** Connectors opened together. What they refuse only then was told before, by the trial of `readConfiguration`. */

import type { Sink, SinkEnvironment } from "../connector.ts";
import type { ConfiguredConnector } from "./load_connector.ts";

/** A connector with its open sink. */
export interface OpenedSink {
  readonly connector: ConfiguredConnector;
  readonly sink: Sink;
}

/** What opening came to: the sinks in the connectors' order, or every fault as a line; then none is left open. */
export type OpenedSinks =
  | { readonly ok: true; readonly sinks: readonly OpenedSink[] }
  | { readonly ok: false; readonly faults: readonly string[] };

/** Opens each that a source feeds. Offline. The sinks are the caller's to close. */
export async function openSinks(
  connectors: readonly ConfiguredConnector[],
  environment: SinkEnvironment,
): Promise<OpenedSinks> {
  const faults: string[] = [];
  await using undo = new AsyncDisposableStack();
  const sinks: OpenedSink[] = [];
  for (const connector of connectors.filter(({ isFed }) => isFed)) {
    try {
      const sink = undo.use(connector.open(environment));
      sinks.push({ connector, sink });
    } catch (cause) {
      // The contract of `open`: a sentence for the operator.
      if (!(cause instanceof TypeError)) throw cause;
      faults.push(`${placeOf(connector)}: ${cause.message}`);
    }
  }
  if (faults.length > 0) return { ok: false, faults };
  undo.move();
  return { ok: true, sinks };
}

/** `hecate.yaml:7:3: sinks.soc-a`, as faults of the file are told; of the environment the name. */
function placeOf({ name, origin }: ConfiguredConnector): string {
  return origin === "environment"
    ? `connector ${name}`
    : `${origin}: sinks.${name}`;
}
