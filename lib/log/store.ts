/** Where the log lies. (Signatures first; the bodies follow.) */
import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";

export interface StoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly openKv?: (path?: string) => Promise<Deno.Kv>;
}

/** A fault that a person has to mend; the message is one line. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}

export declare class Store {
  readonly kind: "memory" | "file" | "remote" | "platform";
}

/** @throws {StoreError} when the data directory is in use or cannot be opened. */
export declare function openStore(
  location: string | undefined,
  options: StoreOptions,
): Promise<Store>;
