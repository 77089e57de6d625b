/**
 * A sink's `scope` at work: which events it gets, and by which part of the scope the others are filtered.
 *
 * Everything is judged by the event's OCSF form, found in its bytes without parsing; only `when` reads values. The parts
 * are looked at in the order in which they are named, which is that of their cost but for `tokens`: that looks at no
 * event, yet whether an earlier part fails must be known before it may be named.
 */

import type { Scope, ScopeKey } from "../config/scope.ts";
import type { OcsfForm } from "../connector.ts";
import { EventView } from "../event.ts";
import { fieldSpans } from "../json/field_spans.ts";
import { pathId } from "../json/paths.ts";
import { stringValue } from "../json/strings.ts";
import { categoryOfClass, severityId } from "../ocsf/captions.ts";
import type { When } from "../ocsf/when.ts";

/** Which events a connector gets. */
export interface EventFilter {
  /** The part of the scope that the event does not meet, the first by `SCOPE_KEYS`; undefined: it passes. Never throws. */
  by(view: EventView): ScopeKey | undefined;
  /** One event may take it milliseconds. */
  readonly isSlow?: boolean;
  /** What goes wrong with it, for status; undefined: nothing has. */
  readonly warning: string | undefined;
}

/** Told once, at the first event for which `when` fails: why, without anything of the event. */
export type WhenFailed = (why: string) => void;

/** @throws {WhenFault} for a `when` that `checkWhen` would have found wrong. */
export async function openFilter(
  scope: Scope,
  ocsf: OcsfForm,
  whenFailed: WhenFailed,
): Promise<EventFilter> {
  let when: When | undefined;
  if (scope.when !== undefined) {
    const { compileWhen } = await import("../ocsf/when.ts");
    when = compileWhen(scope.when);
  }
  return new ScopeFilter(scope, ocsf, when, whenFailed);
}

const QUOTE = 0x22, ZERO = 0x30;
/** An integer of so many digits is exact. */
const EXACT_DIGITS = 15;

/** OCSF's "Unknown": what an event counts with that names no severity. */
const UNKNOWN = 0;

const decoder = new TextDecoder();

class ScopeFilter implements EventFilter {
  readonly #ocsf: OcsfForm;
  readonly #minSeverity: number | undefined;
  readonly #categories: ReadonlySet<number> | undefined;
  readonly #classes: ReadonlySet<number> | undefined;
  readonly #tokens: ReadonlySet<string> | undefined;
  readonly #when: When | undefined;
  readonly #whenFailed: WhenFailed;
  readonly #form = new EventView();
  #failures = 0;
  #why = "";

  constructor(
    { minSeverity, categories, classes, tokens }: Scope,
    ocsf: OcsfForm,
    when: When | undefined,
    whenFailed: WhenFailed,
  ) {
    this.#ocsf = ocsf;
    this.#minSeverity = minSeverity;
    this.#categories = categories && new Set(categories);
    this.#classes = classes && new Set(classes);
    this.#tokens = tokens && new Set(tokens);
    this.#when = when;
    this.#whenFailed = whenFailed;
  }

  get isSlow(): boolean {
    return this.#when !== undefined;
  }

  get warning(): string | undefined {
    return this.#failures === 0
      ? undefined
      : `scope.when failed for ${this.#failures} event(s), which were let through: ${this.#why}`;
  }

  by(view: EventView): ScopeKey | undefined {
    const isByFields = this.#minSeverity !== undefined ||
      this.#categories !== undefined || this.#classes !== undefined;
    if (isByFields) {
      const failed = this.#byFields(this.#ocsf(view, this.#form));
      if (failed !== undefined) return failed;
    }
    if (this.#tokens?.has(view.run.producer) === false) return "tokens";
    if (this.#when === undefined) return undefined;
    // Mapped once: where the fields were looked at, this only finds it again.
    return this.#isMeant(this.#when, this.#ocsf(view, this.#form))
      ? undefined
      : "when";
  }

  #byFields(event: EventView): ScopeKey | undefined {
    if (
      this.#minSeverity !== undefined && severityOf(event) < this.#minSeverity
    ) return "min_severity";
    if (
      this.#categories !== undefined &&
      !this.#categories.has(categoryOf(event))
    ) return "categories";
    if (this.#classes?.has(integerOf(event, CLASS) ?? -1) === false) {
      return "classes";
    }
    return undefined;
  }

  /** An expression that fails lets the event pass: a person's mistake must not cost events. */
  #isMeant(when: When, event: EventView): boolean {
    try {
      return when(event);
    } catch (cause) {
      this.#why = cause instanceof Error ? cause.message : "it failed.";
      if (this.#failures++ === 0) this.#whenFailed(this.#why);
      return true;
    }
  }
}

const SEVERITY_ID = pathId("severity_id");
const SEVERITY = pathId("severity");
const CATEGORY = pathId("category_uid");
const CLASS = pathId("class_uid");

/**
 * The number as it stands: Other (99) is above all ranks and passes, since nobody knows how high it is; Unknown (0) is
 * below all others. By its caption where the event has only that.
 */
function severityOf(event: EventView): number {
  const id = integerOf(event, SEVERITY_ID);
  if (id !== undefined) return id;
  const spans = fieldSpans(event);
  const start = spans.start(SEVERITY), end = spans.end(SEVERITY);
  if (event.bytes[start] !== QUOTE || start === end) return UNKNOWN;
  return severityId(stringValue(event.bytes, start, end)) ?? UNKNOWN;
}

/** By its class where the event does not name its category; -1: neither. */
function categoryOf(event: EventView): number {
  const uid = integerOf(event, CATEGORY);
  if (uid !== undefined) return uid;
  const classUid = integerOf(event, CLASS);
  return classUid === undefined ? -1 : categoryOfClass(classUid);
}

/** A field's number, also one in quotes; undefined where there is none. Makes no object for plain integers. */
function integerOf(event: EventView, path: number): number | undefined {
  const spans = fieldSpans(event);
  let start = spans.start(path), end = spans.end(path);
  const { bytes } = event;
  if (start === end) return undefined;
  if (bytes[start] === QUOTE) {
    start++;
    end--;
  }
  let value = 0;
  if (end - start <= EXACT_DIGITS) {
    for (let i = start; i < end; i++) {
      const digit = bytes[i] as number - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      if (i === end - 1) return value;
    }
  }
  // Rare: 4.0, -1, or no number at all.
  const text = decoder.decode(bytes.subarray(start, end));
  const number = text.trim() === "" ? NaN : Number(text);
  return Number.isNaN(number) ? undefined : number;
}
