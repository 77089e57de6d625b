/** `deno task docs`: writes the pages that follow from declarations. `tests/lib/config/render_test.ts` compares them. */

import * as registry from "../../connectors/registry.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { commandTable } from "../../lib/cli/help.ts";
import { renderConfiguration } from "../../lib/config/render.ts";
import { configurationSchema } from "../../lib/config/schema.ts";

interface Page {
  readonly path: URL;
  readonly text: string;
}

/** The page and its text. */
export function configurationPage(): Page {
  return {
    path: new URL("../../docs/configuration.md", import.meta.url),
    text: renderConfiguration(Object.values(registry)),
  };
}

/** The schema of hecate.yaml. */
export function schemaPage(): Page {
  const schema = configurationSchema(Object.values(registry));
  return {
    path: new URL("../../docs/hecate.schema.json", import.meta.url),
    text: `${JSON.stringify(schema, null, 2)}\n`,
  };
}

/** The README with its list of commands as the table has it. @throws {Error} when the marks are gone. */
export function readmePage(): Page {
  const path = new URL("../../README.md", import.meta.url);
  const [begin, end] = [
    "<!-- commands: written by `deno task docs` -->",
    "<!-- end of commands -->",
  ];
  const text = Deno.readTextFileSync(path);
  const from = text.indexOf(begin), to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error("README.md has lost its marks");
  return {
    path,
    text: `${text.slice(0, from)}${begin}\n${commandTable(COMMANDS)}\n${
      text.slice(to)
    }`,
  };
}

if (import.meta.main) {
  for (const page of [configurationPage(), schemaPage(), readmePage()]) {
    Deno.writeTextFileSync(page.path, page.text);
  }
}
