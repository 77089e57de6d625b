/** The command line: from words to a command of the table, and from its end to an exit code. */

import { parseArgs } from "node:util";
import { didYouMean } from "../config/environment.ts";
import { nearest } from "../config/nearest.ts";
import { printable } from "../printable.ts";
import {
  type Call,
  type CliContext,
  CliFault,
  type Command,
  COMMON_FLAGS,
  EXIT,
  type ExitCode,
  type Flag,
} from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { commandHelp, helpText } from "./help.ts";
import { messageOf } from "../log/kv.ts";

const ADVICE = `"deno task hecate help" lists the commands.`;

/** Runs one command line; faults are printed. Never throws. */
export async function runCli(
  args: readonly string[],
  given: CliContext,
  commands: readonly Command[] = COMMANDS,
): Promise<ExitCode> {
  const { out } = given;
  // What is told may quote arguments, paths and answers.
  const err = (line: string) => given.err(printable(line));
  const context: CliContext = { ...given, err };
  try {
    const places = wordPlaces(args, commands);
    const words = places.map((at) => args[at] ?? "");
    const [first] = words;
    if (first === undefined || first === "help") {
      const asked = words.slice(1);
      const lines = asked.length === 0
        ? helpText(commands)
        : commandHelp(find(asked, commands));
      for (const line of lines) out(line);
      return EXIT.done;
    }
    const command = find(words, commands);
    const flags = { ...command.flags, ...COMMON_FLAGS };
    const named = places.slice(0, command.name.split(" ").length);
    const call = parse(
      command,
      flags,
      args.filter((_, at) => !named.includes(at)),
    );
    if (call.has("help")) {
      for (const line of commandHelp(command)) out(line);
      return EXIT.done;
    }
    const [least, most] = command.count ?? [0, 0];
    const { length } = call.arguments;
    if (length < least || length > most) {
      throw new CliFault(
        EXIT.usage,
        length < least
          ? `"${command.name}" needs ${command.arguments ?? ""}.`
          : `"${command.name}" takes ${
            command.arguments ?? "nothing"
          }; there is more.`,
        `"deno task hecate help ${command.name}" tells how.`,
      );
    }
    return await command.run(call, context);
  } catch (cause) {
    if (cause instanceof CliFault) {
      err(`hecate: ${cause.message}`);
      if (cause.advice !== undefined) err(cause.advice);
      return cause.exitCode;
    }
    err(`hecate: ${messageOf(cause)}`);
    err("This is a fault of Hecate. Please report it.");
    return EXIT.fault;
  }
}

/** Where the words stand that are neither flags nor their values. */
function wordPlaces(
  args: readonly string[],
  commands: readonly Command[],
): number[] {
  const valued = new Set(
    [COMMON_FLAGS, ...commands.map(({ flags = {} }) => flags)]
      .flatMap(Object.entries<Flag>)
      .filter(([, { kind }]) => kind === "text")
      .flatMap(([name, { short }]) => [`--${name}`, `-${short}`]),
  );
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).flatMap((arg, at) =>
    arg.startsWith("-") || valued.has(args[at - 1] ?? "") ? [] : [at]
  );
}

/** The command that the words begin with. @throws {CliFault} */
function find(
  words: readonly string[],
  commands: readonly Command[],
): Command {
  for (const count of [2, 1]) {
    const name = words.slice(0, count).join(" ");
    const found = commands.find((command) => command.name === name);
    if (found !== undefined) return found;
  }
  const [first = ""] = words;
  const group = commands.map(({ name }) => name)
    .filter((name) => name.startsWith(`${first} `));
  if (group.length > 0 && words.length === 1) {
    throw new CliFault(
      EXIT.usage,
      `"${first}" wants a second word: ${
        group.map((name) => name.slice(first.length + 1)).join(", ")
      }.`,
      ADVICE,
    );
  }
  const names = commands.map(({ name }) => name);
  const two = words.slice(0, 2).join(" ");
  // One word too many may be an argument.
  const guess = nearest(two, names) ?? nearest(first, names);
  throw new CliFault(
    EXIT.usage,
    `no command "${guess?.includes(" ") ? two : first}".${didYouMean(guess)}`,
    ADVICE,
  );
}

/** @param args all but the command's own words. @throws {CliFault} */
function parse(
  command: Command,
  flags: Readonly<Record<string, Flag>>,
  args: readonly string[],
): Call {
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(flags).map(([name, { kind, short }]) => [name, {
        type: kind === "switch" ? "boolean" : "string",
        // `short: undefined` is refused.
        ...short !== undefined && { short },
      }]),
    ),
  });
  const values = new Map<string, string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value } = token;
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    const help = `"deno task hecate help ${command.name}" lists its flags.`;
    if (flag === undefined) {
      const guess = nearest(name, Object.keys(flags));
      throw new CliFault(
        EXIT.usage,
        `"${command.name}" has no flag ${rawName}.${
          didYouMean(guess === undefined ? undefined : `--${guess}`)
        }`,
        help,
      );
    }
    if ((flag.kind === "text") !== (value !== undefined)) {
      throw new CliFault(
        EXIT.usage,
        flag.kind === "text"
          ? `${rawName} needs a value: ${rawName} ${flag.value ?? "VALUE"}.`
          : `${rawName} takes no value.`,
        help,
      );
    }
    values.set(name, value ?? "");
  }
  return {
    arguments: positionals,
    has: (name) => values.has(name),
    value: (name) => values.get(name),
  };
}
