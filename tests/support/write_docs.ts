/** `deno task docs`: writes the pages that follow from declarations. `tests/lib/config/render_test.ts` compares them. */

import * as registry from "../../connectors/registry.ts";
import { renderConfiguration } from "../../lib/config/render.ts";

/** The page and its text. */
export function configurationPage(): { readonly path: URL; text: string } {
  return {
    path: new URL("../../docs/configuration.md", import.meta.url),
    text: renderConfiguration(Object.values(registry)),
  };
}

if (import.meta.main) {
  const { path, text } = configurationPage();
  Deno.mkdirSync(new URL(".", path), { recursive: true });
  Deno.writeTextFileSync(path, text);
}
