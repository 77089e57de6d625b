/** A real `denokv` server as a process of the tests: started, killed, started again on the same port and file. */

import { systemClock } from "../../lib/clock.ts";
import { freePort } from "../support/processes.ts";

/** What the tests' server asks for: at least 12 characters. */
export const ACCESS_TOKEN = "hecate-cluster-token";

/** Where a binary is looked for, after `HECATE_DENOKV` and before `PATH`. */
const PLACES = [
  new URL("../../.ci/tools/denokv/bin/denokv", import.meta.url).pathname,
  "/opt/denokv/bin/denokv",
];

/** The binary; undefined when there is none. */
export function findDenokv(): string | undefined {
  const named = Deno.env.get("HECATE_DENOKV");
  if (named) return isFile(named) ? named : undefined;
  const onPath = (Deno.env.get("PATH") ?? "").split(":")
    .filter((folder) => folder !== "").map((folder) => `${folder}/denokv`);
  return [...PLACES, ...onPath].find(isFile);
}

/** What to say where there is none. */
export const HOW_TO_GET_IT =
  "No denokv here: the cluster tests are left out. tests/cluster/install.sh installs one (Debian's protobuf-compiler, cargo, some 4 minutes); or name one with HECATE_DENOKV.";

/** A server on the loopback with a database of its own. */
export class Denokv implements AsyncDisposable {
  readonly port = freePort();
  readonly #binary: string;
  readonly #folder: string;
  #child: Deno.ChildProcess | undefined;

  private constructor(binary: string, folder: string) {
    this.#binary = binary;
    this.#folder = folder;
  }

  /** Starts one. @throws when it does not listen within 10 s. */
  static async start(binary: string): Promise<Denokv> {
    const folder = await Deno.makeTempDir({ prefix: "hecate-denokv-" });
    const server = new Denokv(binary, folder);
    try {
      await server.start();
      return server;
    } catch (cause) {
      await server[Symbol.asyncDispose]();
      throw cause;
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it (again). Resolves when it listens. */
  async start(): Promise<void> {
    this.#child = new Deno.Command(this.#binary, {
      args: [
        "--sqlite-path",
        `${this.#folder}/kv.sqlite`,
        "serve",
        "--addr",
        `127.0.0.1:${this.port}`,
      ],
      env: { DENO_KV_ACCESS_TOKEN: ACCESS_TOKEN, RUST_LOG: "error" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const end = systemClock.monotonic() + 10_000;
    for (;;) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port: this.port }))
          .close();
        return;
      } catch (cause) {
        if (systemClock.monotonic() > end) throw cause;
        await systemClock.sleep(20);
      }
    }
  }

  /** Sends a signal; SIGKILL and SIGTERM are waited for. */
  async signal(signal: Deno.Signal): Promise<void> {
    try {
      this.#child?.kill(signal);
    } catch {
      // It has ended.
    }
    if (signal === "SIGKILL" || signal === "SIGTERM") {
      await this.#child?.status;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.signal("SIGKILL");
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
