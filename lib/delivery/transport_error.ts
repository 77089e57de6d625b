/** A failed attempt to get an answer out of a destination, with its cause as one closed reason code. */

import type { SetupReason, WeatherReason } from "../connector.ts";

/**
 * No judged answer came: connection, TLS, proxy, framing or time. `message` is a sentence for a person that names host
 * and port and never holds a path, a query, a header or a credential.
 */
export class TransportError extends Error {
  override readonly name = "TransportError";
  /** The closed reason code. */
  readonly reason: WeatherReason | SetupReason;
  /** True when it passes by itself, false when only a person can mend it. */
  readonly weather: boolean;
  /** True when the whole request was handed to the network: the destination may have taken the events. */
  readonly bodySent: boolean;
  /** True when it is the proxy's fault, not the destination's. */
  readonly ofProxy: boolean;

  constructor(
    reason: WeatherReason | SetupReason,
    message: string,
    options: {
      readonly bodySent?: boolean;
      readonly ofProxy?: boolean;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.reason = reason;
    this.weather = isWeather(reason);
    this.bodySent = options.bodySent ?? false;
    this.ofProxy = options.ofProxy ?? false;
  }
}

/** Whether a reason passes by itself. */
export function isWeather(
  reason: WeatherReason | SetupReason,
): reason is WeatherReason {
  switch (reason) {
    case "dns":
    case "refused":
    case "timeout":
    case "cut":
    case "slow_down":
    case "server":
    case "unclear":
    case "internal":
      return true;
    default:
      return false;
  }
}
