/** The mapping to OCSF, loaded once it is needed: no event waits for it to be kept, and every delivery does. */

import type { MapEvent } from "./reader.ts";

/** A mapping that loads. */
export interface LoadedMap {
  /** Ends once `map` may be called. */
  load(): Promise<void>;
  /** @throws {TypeError} before `load` has ended: a bug. */
  readonly map: MapEvent;
}

/** Makes one; nothing is loaded yet. */
export function loadedMap(): LoadedMap {
  let found: MapEvent = () => {
    throw new TypeError("The mapping is not loaded yet");
  };
  return {
    async load() {
      found = (await import("./map.ts")).mapEvent;
    },
    map: (view, into) => found(view, into),
  };
}
