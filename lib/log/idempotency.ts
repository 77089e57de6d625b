/**
 * Answers to requests that carried an Idempotency-Key: `["idem", SHA-256 of the key]`, kept 24 hours.
 *
 * Invariants: a key is claimed in a commit that finds none, before the request is carried out, so of two at once one
 * is carried out. A claim whose process ended is free again: at once where the store is one process's alone, because
 * a claim that this one does not know of is that of one before it; else after ten minutes. What was done stays done, so
 * what is repeated then must be harmless by itself.
 */

import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { idempotencyAfter, idempotencyKey } from "./keys.ts";
import { fromValue, MAX_VALUE_BYTES, numberIn, textIn, toValue } from "./kv.ts";
import type { Store } from "./store.ts";

const KEPT_MS = 86_400_000;
/** How long a request may run on a shared store before its claim is taken for left behind. */
const RUN_MS = 600_000;
const PAGE = 100;

/** An answer as it was given. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** What is known of a key. `version`: for `keepAnswer`. */
export type Claim =
  | { readonly kind: "new"; readonly version: string }
  | { readonly kind: "known"; readonly answer: KeptAnswer }
  | { readonly kind: "running" | "other" };

/** Prints of the claims that run in this process, by hash of the key. */
const running = new WeakMap<Store, Map<string, string>>();

/** @param request what the key stands for: method, address and body. */
export function requestPrint(
  request: readonly (string | Uint8Array)[],
): string {
  const hash = createHash("sha256");
  for (const part of request) {
    hash.update(`${part.length}:`).update(part);
  }
  return hash.digest("hex");
}

/** Claims a key for a request, or tells what became of it. @throws what the store throws. */
export async function claimKey(
  store: Store,
  key: string,
  print: string,
): Promise<Claim> {
  const hash = requestPrint([key]);
  const at = idempotencyKey(hash);
  const now = store.clock.now();
  const entry = await store.call((kv) => kv.get(at));
  const record = fromValue(entry.value);
  const here = claimsOf(store);
  if (record !== undefined) {
    const age = now - numberIn(record, "at");
    const isAnswered = record["status"] !== undefined;
    const isOver = isAnswered
      ? age > KEPT_MS
      : store.isExclusive || age > RUN_MS;
    if (!isOver) {
      if (textIn(record, "print") !== print) return { kind: "other" };
      return isAnswered
        ? { kind: "known", answer: answerOf(record) }
        : { kind: "running" };
    }
  }
  const other = here.get(hash);
  if (other !== undefined) {
    return { kind: other === print ? "running" : "other" };
  }
  // Known before it is in the store: none may find it there and not here.
  here.set(hash, print);
  let version: string | undefined;
  try {
    const result = await store.call((kv) =>
      kv.atomic().check(entry).set(at, toValue({ print, at: now })).commit()
    );
    if (result.ok) version = result.versionstamp;
  } finally {
    if (version === undefined) here.delete(hash);
  }
  // Another was first, or a lost reply hides that we were: the second asks again.
  return version === undefined ? { kind: "running" } : { kind: "new", version };
}

function claimsOf(store: Store): Map<string, string> {
  const known = running.get(store);
  if (known !== undefined) return known;
  const made = new Map<string, string>();
  running.set(store, made);
  return made;
}

/** Keeps the answer of a claimed request. One that is too long, or undefined, frees the key. */
export async function keepAnswer(
  store: Store,
  key: string,
  claim: { readonly print: string; readonly version: string },
  answer: KeptAnswer | undefined,
): Promise<void> {
  const hash = requestPrint([key]);
  const at = idempotencyKey(hash);
  const { print, version } = claim;
  const value = answer === undefined ? undefined : toValue({
    print,
    at: store.clock.now(),
    status: answer.status,
    headers: answer.headers,
    text: deflateRawSync(answer.text).toString("base64"),
  });
  try {
    await store.call((kv) => {
      const operation = kv.atomic().check({ key: at, versionstamp: version });
      if (value === undefined || value.length > MAX_VALUE_BYTES) {
        operation.delete(at);
      } else operation.set(at, value);
      return operation.commit();
    });
  } finally {
    claimsOf(store).delete(hash);
  }
}

/** Forgets what is older than 24 hours. @throws what the store throws. */
export async function forgetAnswers(store: Store): Promise<void> {
  const before = store.clock.now() - KEPT_MS;
  for (let after = "";;) {
    const page = await store.call(async (kv) => {
      const found: Deno.KvEntry<unknown>[] = [];
      const range = idempotencyAfter(after);
      for await (
        const entry of kv.list(range, { limit: PAGE, batchSize: PAGE })
      ) found.push(entry);
      return found;
    });
    const old = page.filter(({ value }) =>
      numberIn(fromValue(value) ?? {}, "at") < before
    );
    if (old.length > 0) {
      await store.call((kv) => {
        const operation = kv.atomic();
        for (const { key } of old) operation.delete(key);
        return operation.commit();
      });
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    after = String(last.key[1]);
  }
}

function answerOf(record: Readonly<Record<string, unknown>>): KeptAnswer {
  const headers: Record<string, string> = {};
  const kept = record["headers"];
  if (typeof kept === "object" && kept !== null) {
    for (const [name, value] of Object.entries(kept)) {
      headers[name] = String(value);
    }
  }
  const text = inflateRawSync(Buffer.from(textIn(record, "text"), "base64"));
  return { status: numberIn(record, "status"), headers, text: String(text) };
}
