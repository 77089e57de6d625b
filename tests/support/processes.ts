/** The relay as a process of its own: started, watched, killed. Nothing it starts outlives its `await using`. */

const root = new URL("../../", import.meta.url);

export interface RelayProcess extends AsyncDisposable {
  readonly pid: number;
  /** `http://127.0.0.1:<port>`, no slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Resolves when the process has ended. */
  readonly ended: Promise<Deno.CommandStatus>;
  /** What it has written so far. */
  stdout(): string;
  stderr(): string;
  /**
   * Waits for a line on stdout or stderr; one that came before counts.
   * @throws {Error} with all output, when the process ends first or `timeout` milliseconds are over
   */
  line(
    pattern: RegExp,
    options?: { readonly timeout?: number },
  ): Promise<string>;
  /** Sends a signal (SIGKILL) and waits for the end. */
  kill(signal?: Deno.Signal): Promise<Deno.CommandStatus>;
}

export interface RelayOptions {
  /** Settings; of the test's own environment only what Deno itself needs is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** A free one when absent. Sets `HECATE_PORT`. */
  readonly port?: number;
  /** The `deno` to run; that of the test when absent. */
  readonly deno?: string;
  /** Flags of `deno run`. */
  readonly flags?: readonly string[];
  /** The program, below the repository; `main.ts` when absent. */
  readonly entry?: string;
  /** Arguments of the program. */
  readonly args?: readonly string[];
  readonly cwd?: string;
}

/** What Deno needs to find its cache and its temporary files. */
const PASSED_ON = ["PATH", "HOME", "DENO_DIR", "TMPDIR", "XDG_CACHE_HOME"];

/** A port that nobody listens on now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Starts `main.ts`; does not wait for it to be ready. */
export function spawnRelay(options: RelayOptions = {}): RelayProcess {
  const {
    env = {},
    port = freePort(),
    deno = Deno.execPath(),
    flags = ["-P=start"],
    entry = "main.ts",
    args = [],
    cwd,
  } = options;
  const passedOn: Record<string, string> = { NO_COLOR: "1" };
  for (const name of PASSED_ON) {
    const value = Deno.env.get(name);
    if (value !== undefined) passedOn[name] = value;
  }
  const main = new URL(entry, root);
  const child = new Deno.Command(deno, {
    args: [
      "run",
      `--config=${new URL("deno.json", root).pathname}`,
      ...flags,
      main.pathname,
      ...args,
    ],
    cwd: cwd ?? root,
    clearEnv: true,
    env: { ...passedOn, HECATE_PORT: String(port), ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

  const heard = { stdout: "", stderr: "" };
  const listeners = new Set<() => void>();
  const listen = async (from: "stdout" | "stderr") => {
    const decoder = new TextDecoder();
    for await (const chunk of child[from]) {
      heard[from] += decoder.decode(chunk, { stream: true });
      for (const look of listeners) look();
    }
  };
  const heardAll = Promise.all([listen("stdout"), listen("stderr")]);
  const ended = Promise.all([child.status, heardAll]).then(([status]) =>
    status
  );
  let isOver = false;
  ended.then(() => {
    isOver = true;
    for (const look of listeners) look();
  });

  function line(
    pattern: RegExp,
    { timeout = 20_000 }: { readonly timeout?: number } = {},
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        listeners.delete(look);
        clearTimeout(timer);
        done();
      };
      const look = () => {
        const found = `${heard.stdout}\n${heard.stderr}`.split("\n").find(
          (one) => pattern.test(one),
        );
        if (found !== undefined) return settle(() => resolve(found));
        if (isOver) settle(() => reject(silence("ended")));
      };
      const silence = (what: string) =>
        new Error(
          `The relay ${what} without a line like ${pattern}. It wrote:\n${heard.stdout}\n${heard.stderr}`,
        );
      const timer = setTimeout(
        () => settle(() => reject(silence(`ran ${timeout} ms`))),
        timeout,
      );
      listeners.add(look);
      look();
    });
  }

  async function kill(
    signal: Deno.Signal = "SIGKILL",
  ): Promise<Deno.CommandStatus> {
    try {
      child.kill(signal);
    } catch {
      // It has ended by itself.
    }
    return await ended;
  }

  return {
    pid: child.pid,
    port,
    url: `http://127.0.0.1:${port}`,
    ended,
    stdout: () => heard.stdout,
    stderr: () => heard.stderr,
    line,
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
    },
  };
}

/** Starts the relay and waits for its ready line. @throws {Error} with its output when it ends before that */
export async function startRelay(
  options: RelayOptions = {},
): Promise<RelayProcess> {
  const relay = spawnRelay(options);
  try {
    await relay.line(READY);
  } catch (cause) {
    await relay.kill();
    throw cause;
  }
  return relay;
}

/** The line that says that the relay takes events. */
export const READY = /\bready at https?:/;
