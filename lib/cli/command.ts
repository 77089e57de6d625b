/** What a command of `hecate` is, what it gets and how it ends. */

import type { Environment } from "../config/environment.ts";
import type { RelaySettings } from "../config/relay.ts";
import type { ConnectorType, SinkEnvironment } from "../connector.ts";

/** Exit codes (console-and-cli §3). */
export const EXIT = {
  done: 0,
  fault: 1,
  usage: 2,
  unknown: 3,
  notAllowed: 4,
  unreachable: 5,
  partly: 6,
  testFailed: 7,
  configuration: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** One flag. The key in `Command.flags` is its long name. */
export interface Flag {
  /** `switch`: there or not; `text`: takes a value. */
  readonly kind: "switch" | "text";
  /** One letter. */
  readonly short?: string;
  /** What its value is called in the help: `FILE`. */
  readonly value?: string;
  readonly help: string;
}

/** What all commands get from outside: made once, by `main.ts`. */
export interface CliContext {
  readonly env: Environment;
  /** The registered SIEM types. */
  readonly types: readonly ConnectorType[];
  readonly version: string;
  /** Of what it runs on: `deno 2.9.6`. */
  readonly platform: string;
  /** @throws when the file cannot be read. */
  readonly readFile: (path: string) => string;
  /** What connectors get from outside, as in the relay. */
  readonly sinkEnvironment: (relay: RelaySettings) => SinkEnvironment;
  /** How relays are asked; absent: the platform's own. */
  readonly fetch?: typeof fetch;
  /** What is piped in; absent: the process's own. */
  readonly stdin?: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** One line of the result, to stdout. */
  readonly out: (line: string) => void;
  /** One line for the person, to stderr: progress, hints, faults. */
  readonly err: (line: string) => void;
}

/** One call of a command: what stood on the line. */
export interface Call {
  readonly arguments: readonly string[];
  /** Whether a switch is there. */
  has(flag: string): boolean;
  /** A flag's value; undefined: it is not there. */
  value(flag: string): string | undefined;
}

/** One command. The table in `commands.ts` is all that parsing, help and the README need. */
export interface Command {
  /** One or two words: `config validate`. */
  readonly name: string;
  /** What may stand behind it: `[FILE]`, `NAME`. */
  readonly arguments?: string;
  /** How many of them: the least and the most; absent: none. */
  readonly count?: readonly [least: number, most: number];
  /** One sentence. */
  readonly help: string;
  readonly flags?: Readonly<Record<string, Flag>>;
  /** What is needed by this command alone is imported in here. @throws {CliFault} */
  run(call: Call, context: CliContext): Promise<ExitCode> | ExitCode;
}

/** What a person has to do something about: one line what, one line what to do. */
export class CliFault extends Error {
  override readonly name = "CliFault";
  /** @param advice undefined: the line says it all. */
  constructor(
    readonly exitCode: ExitCode,
    what: string,
    readonly advice?: string,
  ) {
    super(what);
  }
}

/** Flags of every command. */
export const COMMON_FLAGS: Readonly<Record<string, Flag>> = {
  json: { kind: "switch", help: "Print JSON: one object, or one a line." },
  quiet: { kind: "switch", short: "q", help: "No progress and no hints." },
  "no-color": { kind: "switch", help: "No colours (as NO_COLOR)." },
  help: { kind: "switch", short: "h", help: "Print this." },
};

/** Flags of the commands that ask a relay. */
export const RELAY_FLAGS: Readonly<Record<string, Flag>> = {
  url: {
    kind: "text",
    value: "URL",
    help:
      "The relay. Absent: `HECATE_URL`, else loopback at `HECATE_PORT` (8080).",
  },
  "token-file": {
    kind: "text",
    value: "FILE",
    help: "A file with the admin token. Absent: `HECATE_ADMIN_TOKEN`.",
  },
  timeout: {
    kind: "text",
    value: "DURATION",
    help: "How long to wait for its answer.",
  },
};
