/** Tokens made at the first start: shown once, kept as SHA-256 only. Key `["credential", name]`. */

import { hashToken, type IngestToken, parseTokens } from "../tokens.ts";
import { credentialKey } from "./keys.ts";
import type { Store } from "./store.ts";

/** A credential of this relay. */
interface Credential {
  /** SHA-256 of the value. */
  readonly hash: Uint8Array;
  /** The value itself, at the start that made it only: tell the operator, keep it nowhere. */
  readonly fresh?: string;
}

/**
 * The stored credential, or a new one where there is none. Processes that start at once over one store agree on one.
 * @throws when the store does not answer.
 */
async function ensureCredential(
  store: Store,
  name: "ingest" | "admin",
  prefix: string,
): Promise<Credential> {
  const key = credentialKey(name);
  const kept = await store.call((kv) => kv.get(key));
  if (kept.value instanceof Uint8Array) return { hash: kept.value };
  const value = prefix + crypto.getRandomValues(new Uint8Array(24))
    .toBase64({ alphabet: "base64url" });
  const hash = hashToken(value);
  const made = await store.call((kv) =>
    kv.atomic().check({ key, versionstamp: null }).set(key, hash).commit()
  );
  if (made.ok) return { hash, fresh: value };
  // Another process was first, or a lost reply made our own commit look refused: what is stored counts. Ours is
  // fresh only when the stored hash is ours.
  const winner = await store.call((kv) => kv.get(key));
  if (!(winner.value instanceof Uint8Array)) {
    throw new TypeError(`The stored ${name} credential is not a hash`);
  }
  const isOurs = winner.value.every((byte, at) => byte === hash[at]);
  return isOurs ? { hash, fresh: value } : { hash: winner.value };
}

/** Who may post and who may ask. */
export interface Credentials {
  readonly tokens: readonly IngestToken[];
  readonly adminHash: Uint8Array;
}

/**
 * The configured tokens, or those made at the first start: their values are told once and only hashes are kept.
 * `settings.tokens` is the text of `HECATE_TOKENS`, checked before.
 * @throws when the store does not answer.
 */
export async function openCredentials(
  store: Store,
  settings: {
    readonly tokens: string | undefined;
    readonly adminToken: string | undefined;
  },
  tell: (line: string) => void,
): Promise<Credentials> {
  let { tokens } = parseTokens(settings.tokens ?? "");
  if (tokens.length === 0) {
    const { hash, fresh } = await ensureCredential(store, "ingest", "hct_");
    tokens = [{
      name: "default",
      hash,
      query: false,
      disabled: false,
      defaults: {},
    }];
    tell(
      fresh === undefined
        ? "Ingest token: the one made at the first start. (HECATE_TOKENS sets others.)"
        : `Ingest token, shown this once: ${fresh}`,
    );
  }
  if (settings.adminToken !== undefined) {
    return { tokens, adminHash: hashToken(settings.adminToken) };
  }
  const { hash, fresh } = await ensureCredential(store, "admin", "hca_");
  tell(
    fresh === undefined
      ? "Admin token: the one made at the first start. (HECATE_ADMIN_TOKEN sets another.)"
      : `Admin token, shown this once: ${fresh}`,
  );
  return { tokens, adminHash: hash };
}
