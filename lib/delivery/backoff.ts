/** How long to wait before an attempt: weather and setup faults each have their own arithmetic. */

/** Milliseconds. */
export interface BackoffSettings {
  readonly initial: number;
  /** The longest wait; also the cap on what a SIEM may ask for. */
  readonly max: number;
}

/** 2^30 times the initial wait is above every cap; more would only overflow. */
const MOST_DOUBLINGS = 30;

/** What a wait grows by at most, so that relays told the same Retry-After do not come back together. */
const JITTER = 0.1;

/**
 * The wait after `attempt` failures in a row (from 1) that weather caused: full jitter over a doubling span, or what
 * the SIEM asked for (`after`, milliseconds) where that is longer. Never above `max`.
 *
 * @param random gives a number in [0, 1).
 */
export function retryDelay(
  settings: BackoffSettings,
  attempt: number,
  random: () => number,
  after?: number,
): number {
  const own = random() * doubled(settings, attempt);
  if (after === undefined || !(after > own)) return Math.round(own);
  const asked = Math.min(after, settings.max);
  return Math.round(Math.min(settings.max, asked * (1 + JITTER * random())));
}

/**
 * The wait after `attempt` failures in a row (from 1) where a batch has so many attempts and no more: doubling, without
 * jitter, so that it can be told when the last one comes; what the SIEM asked for (`after`, milliseconds) where that is
 * longer. Never above `max`.
 */
export function strictDelay(
  settings: BackoffSettings,
  attempt: number,
  after = 0,
): number {
  const own = doubled(settings, attempt);
  return Math.round(after > own ? Math.min(after, settings.max) : own);
}

/** The wait before a held connector's probe number `probe` (from 1): doubling, no jitter. */
export function probeDelay(settings: BackoffSettings, probe: number): number {
  return doubled(settings, probe);
}

function doubled({ initial, max }: BackoffSettings, nth: number): number {
  const doublings = Math.min(Math.max(0, nth - 1), MOST_DOUBLINGS);
  return Math.min(max, initial * 2 ** doublings);
}
