/** One connection test from beginning to end: its steps as they happen, and one diagnosis. */

import type { ConfiguredConnector } from "../config/load_connector.ts";
import type { Outcome, Sink, SinkEnvironment, TestStep } from "../connector.ts";
import { SettingFault } from "../setting_fault.ts";
import { type Finding, foundStep } from "./checks.ts";
import { diagnosed } from "./diagnosis.ts";

/** A test in all, in milliseconds. */
const TEST_MS = 30_000;
/** One request of a test, whatever deliveries are given. */
const REQUEST_MS = 10_000;

/** A step as the API and the CLI show it. */
export type ShownStep = Pick<TestStep, "name" | "ok" | "ms" | "detail">;

/** What a test came to; the shape of the API (interface §17). No secret is in it. */
export interface TestReport {
  readonly ok: boolean;
  readonly steps: readonly ShownStep[];
  readonly diagnosis: string;
}

/** What a test is made with. */
export interface TestOptions {
  /** What sinks get from outside. */
  readonly environment: SinkEnvironment;
  /** Sends one marked event at the end, where all went well. */
  readonly event?: boolean;
  /** Blanks what is secret. */
  readonly redact: (text: string) => string;
  readonly signal: AbortSignal;
  /** Called for each step as it ends. */
  readonly onStep?: (step: ShownStep) => void;
}

/** Ends a test. */
const OVER = new Error("over");

/**
 * Tests a connector as it is configured, over connections of its own: the relay may run or not, the connector may be
 * switched off or in the middle of a delivery. No waiting event is touched. @throws the signal's reason when it aborts.
 */
export async function testConnection(
  connector: Pick<ConfiguredConnector, "type" | "open">,
  { environment, event = false, redact, signal, onStep }: TestOptions,
): Promise<TestReport> {
  const { clock } = environment;
  let sink: Sink;
  try {
    sink = connector.open(inTime(environment));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const key = error instanceof SettingFault ? `${error.key}: ` : "";
    return { ok: false, steps: [], diagnosis: redact(key + error.message) };
  }
  await using tested = sink;
  const all: TestStep[] = [];
  const shown: ShownStep[] = [];
  const tell = (step: TestStep) => {
    const { name, ok, ms, detail } = step;
    const clean = { name, ok, ms, detail: redact(detail) };
    all.push(step);
    shown.push(clean);
    onStep?.(clean);
  };
  const late = new AbortController(), done = new AbortController();
  clock.sleep(TEST_MS, done.signal).then(
    () => late.abort(OVER),
    () => {}, // it was in time
  );
  const both = AbortSignal.any([signal, late.signal]);
  let began = clock.monotonic();
  try {
    for await (const step of tested.test(both)) {
      tell(step);
      began = clock.monotonic();
    }
    if (event && all.every(({ ok }) => ok)) {
      const found = taken(await tested.probe(both), tested);
      const ms = Math.round(clock.monotonic() - began);
      tell(foundStep("event", ms, found, "here"));
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!late.signal.aborted) throw error;
    tell(tooLate(all, Math.round(clock.monotonic() - began)));
  } finally {
    done.abort(OVER);
  }
  const ok = all.every((step) => step.ok);
  return {
    ok,
    steps: shown,
    diagnosis: redact(diagnosed(all, connector.type.hints)),
  };
}

/** The outside with less patience: a test is watched. */
function inTime(environment: SinkEnvironment): SinkEnvironment {
  const { http, stream } = environment;
  const least = (timeout: number) => Math.min(timeout, REQUEST_MS);
  return {
    ...environment,
    http: (target) => http({ ...target, timeout: least(target.timeout) }),
    stream: (target) => stream({ ...target, timeout: least(target.timeout) }),
  };
}

function taken(outcome: Outcome, { unconfirmed }: Sink): Finding {
  if (outcome.kind !== "delivered") return outcome;
  const said = unconfirmed ?? "One test event was taken (hecate.test).";
  return outcome.warning === undefined
    ? said
    : `${said} It said: ${outcome.warning}`;
}

/** The step that was not waited for any longer. */
function tooLate(before: readonly TestStep[], ms: number): TestStep {
  const name = before.some(({ name }) => name === "connection")
    ? "login"
    : "connection";
  const message = `The test was given up after ${TEST_MS / 1000} s.`;
  const fault = { reason: "timeout", message, help: "" } as const;
  return { name, ok: false, ms, detail: message, fault };
}
