import assert from "node:assert/strict";

/** The layer rules of the design (§3), held over the module graph as Deno itself sees it. */

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
    }[];
  }[];
}

const root = new URL("../", import.meta.url).href;

async function edges(): Promise<[string, string][]> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: new URL(root),
    stderr: "null",
  }).output();
  assert.ok(success, "deno info failed");
  const graph: Graph = JSON.parse(new TextDecoder().decode(stdout));
  const found: [string, string][] = [];
  for (const module of graph.modules) {
    for (const dependency of module.dependencies ?? []) {
      const target = dependency.code?.specifier ?? dependency.type?.specifier ??
        dependency.specifier;
      found.push([
        module.specifier.replace(root, ""),
        target.replace(root, ""),
      ]);
    }
  }
  return found;
}

/** Rooms of `lib`, from left to right: a file imports from its own room and those to its left. */
const ORDER = [
  "",
  "json",
  "format",
  "ocsf",
  "config",
  "log",
  "delivery",
  "demo",
  "cli",
];

/** A file's place in ORDER: files directly in `lib` are the vocabulary, 0. */
function room(path: string): number {
  const parts = path.split("/");
  return parts.length === 2 ? 0 : ORDER.indexOf(parts[1] ?? "");
}

/**
 * The vocabulary names the shapes of its right-hand neighbours as types only (a connector's contract speaks of the
 * buffer that it fills), and templates stand on the byte kernels of `lib/json`.
 */
function isAllowedVocabulary(from: string, to: string): boolean {
  if (to.startsWith("lib/json/") || to.startsWith("lib/format/")) return true;
  return from === "lib/connector.ts" && to.startsWith("lib/delivery/");
}

Deno.test("layers: imports point only where the design lets them", async () => {
  const all = await edges();
  assert.ok(all.length > 20, "the graph is too small to mean anything");
  const faults: string[] = [];
  const fault = (from: string, to: string, rule: string) =>
    faults.push(`${from} -> ${to}: ${rule}`);
  for (const [from, to] of all) {
    if (from.startsWith("lib/")) {
      if (to.startsWith("routes/")) fault(from, to, "lib does not know routes");
      if (to.startsWith("connectors/")) {
        fault(from, to, "lib does not know connectors");
      }
      if (to.includes("hono")) fault(from, to, "lib does not know Hono");
      if (to === "main.ts") fault(from, to, "nothing imports main.ts");
      if (to.startsWith("lib/")) {
        const source = room(from), target = room(to);
        if (source < 0 || target < 0) {
          fault(from, to, "a room of lib that the order does not name");
        } else if (
          target > source && !(source === 0 && isAllowedVocabulary(from, to))
        ) {
          fault(from, to, "inside lib, imports go left only");
        }
      }
    }
    if (from.startsWith("connectors/")) {
      if (to.startsWith("lib/log/")) fault(from, to, "connectors know no log");
      if (to.includes("dispatcher")) {
        fault(from, to, "connectors know no dispatcher");
      }
      if (to.startsWith("routes/")) {
        fault(from, to, "connectors know no routes");
      }
      if (to.startsWith("connectors/") && from !== "connectors/registry.ts") {
        fault(from, to, "connectors never know each other");
      }
    }
    if (from.startsWith("routes/") && to.startsWith("connectors/")) {
      fault(from, to, "routes get the connectors as values");
    }
  }
  assert.deepEqual(faults, []);
});

/** Source files of the program, tests left out. */
function sources(folder: string): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(new URL(folder, root))) {
    if (entry.isDirectory) found.push(...sources(`${folder}${entry.name}/`));
    else if (/\.tsx?$/.test(entry.name)) found.push(folder + entry.name);
  }
  return found;
}

/** Comments and doc text may name what code must not use. */
function code(path: string): string {
  return Deno.readTextFileSync(new URL(path, root))
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "");
}

Deno.test("layers: the store, the environment and the clock come in as arguments", () => {
  const files = [
    ...sources("lib/"),
    ...sources("routes/"),
    ...sources("connectors/"),
  ];
  const faults: string[] = [];
  for (const path of files) {
    const text = code(path);
    const never = (pattern: RegExp, rule: string) => {
      if (pattern.test(text)) faults.push(`${path}: ${rule}`);
    };
    if (!path.startsWith("lib/log/")) {
      never(
        /Deno\.(Kv|openKv|AtomicOperation)\b/,
        "Deno.Kv only in lib/log and main.ts",
      );
    }
    never(
      /Deno\.(env|args)\b/,
      "environment and arguments are read by main.ts only",
    );
    if (path !== "lib/clock.ts") {
      never(
        /\bDate\.now\(|\bMath\.random\(|\bsetTimeout\(|\bsetInterval\(|performance\.now\(/,
        "time and randomness come in as arguments",
      );
    }
    never(/\bconsole\./, "diagnostics go through the logger");
    // A stream's controller has an `enqueue` of its own.
    never(
      /(?<!\bcontroller)\.enqueue\(|\.listenQueue\(|\bexpireIn\b|\.sum\(/,
      "never the KV queue, expireIn or sum",
    );
  }
  assert.deepEqual(faults, []);
});

Deno.test("layers: no drawers", () => {
  const names = [
    ...sources("lib/"),
    ...sources("routes/"),
    ...sources("connectors/"),
  ];
  assert.deepEqual(
    names.filter((path) =>
      /(^|\/)(utils?|helpers?|common|misc|shared|types|index|mod)(\/|\.tsx?$)/
        .test(path)
    ),
    [],
  );
});
