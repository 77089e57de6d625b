/** Child processes of the benchmark. */

import { lines } from "./control.ts";

/** The repository. */
const ROOT = new URL("../../", import.meta.url);

/** A child process that is spoken to in lines. Ends with its scope. */
export class Child implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  /** The end of what it wrote to stderr. */
  complaint = "";
  readonly #drained: Promise<void>;
  #heard: (line: string) => void = () => {};

  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    const child = new Deno.Command(Deno.execPath(), {
      args: [...args],
      cwd: ROOT,
      clearEnv: true,
      env: { ...inherited(), ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    this.#lines = lines(child.stdout);
    this.#input = child.stdin.getWriter();
    this.#drained = (async () => {
      for await (const line of lines(child.stderr)) {
        this.complaint = `${this.complaint}${line}\n`.slice(-4_000);
        this.#heard(line);
      }
    })();
  }

  get pid(): number {
    return this.#child.pid;
  }

  get status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** Next line of its stdout. @throws when there is none. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done !== true) return value;
    await this.#drained;
    throw new Error(`A process of the benchmark ended:\n${this.complaint}`);
  }

  /** Sends one JSON line and reads one. */
  async ask<T>(command: unknown): Promise<T> {
    // Where it has ended, reading says why.
    await this.#input.write(
      new TextEncoder().encode(JSON.stringify(command) + "\n"),
    ).catch(() => {});
    return JSON.parse(await this.line());
  }

  /** Reads and forgets its stdout from now on, so that it never blocks on it. */
  drain(): void {
    void this.#readOut();
  }

  /** Reads until a line on stdout or stderr matches. Rejects when the process ends first. */
  async says(pattern: RegExp): Promise<void> {
    const heard = Promise.withResolvers<void>();
    this.#heard = (line) => {
      if (pattern.test(line)) heard.resolve();
    };
    const ended = Promise.all([this.#readOut(), this.#drained]).then(() => {
      throw new Error(`${pattern} was never said:\n${this.complaint}`);
    });
    await Promise.race([heard.promise, ended]);
    // What ends it later is no news.
    ended.catch(() => {});
  }

  async #readOut(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) return;
      this.#heard(value);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Loader and sink end with their stdin, the relays with the signal; what does neither within 6 s is killed.
    await this.#input.close().catch(() => {});
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), 6_000);
    await this.#child.status;
    clearTimeout(timer);
  }

  #signal(name: Deno.Signal): void {
    try {
      this.#child.kill(name);
    } catch {
      // Ended before.
    }
  }
}

/** What a process needs of our environment to find Deno's own cache, and nothing of our settings. */
function inherited(): Record<string, string> {
  const env: Record<string, string> = { NO_COLOR: "1" };
  for (const name of ["PATH", "HOME", "DENO_DIR", "TMPDIR"]) {
    const value = Deno.env.get(name);
    if (value !== undefined) env[name] = value;
  }
  return env;
}

/** A port that is free now. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
