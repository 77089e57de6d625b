/** The CLI as a person runs it, without a process of its own; and folders that go again. */

import * as registry from "../../connectors/registry.ts";
import { runCli } from "../../lib/cli/run.ts";
import { sinkEnvironment } from "./sinks.ts";

/** Runs a command line; what it printed and how it ended. */
export async function commandLine(
  line: string,
  env: Readonly<Record<string, string>>,
): Promise<
  { readonly code: number; readonly out: string[]; readonly err: string[] }
> {
  const out: string[] = [], err: string[] = [];
  const code = await runCli(line.split(" "), {
    env,
    types: Object.values(registry),
    version: "1.2.3",
    platform: "deno 0",
    readFile(path) {
      throw new Deno.errors.NotFound(path);
    },
    sinkEnvironment: () => sinkEnvironment(),
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  });
  return { code, out, err };
}

/** Lends a folder of its own. */
export async function inFolder(
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "hecate-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
