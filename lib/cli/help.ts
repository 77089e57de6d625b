/** The commands as people read them. */

import { type Command, COMMON_FLAGS, type Flag } from "./command.ts";
import { table } from "./table.ts";

const USAGE = "deno task hecate <command> [flags]";

/** `config validate [FILE]` */
function usage({ name, arguments: rest }: Command): string {
  return rest === undefined ? name : `${name} ${rest}`;
}

function flagRows(flags: Readonly<Record<string, Flag>>): string[][] {
  return Object.entries(flags).map(([name, { short, value, help }]) => [
    `  ${short === undefined ? "    " : `-${short}, `}--${name}${
      value === undefined ? "" : ` ${value}`
    }`,
    help,
  ]);
}

/** All commands. */
export function helpText(commands: readonly Command[]): string[] {
  return [
    USAGE,
    "",
    ...table(commands.map((one) => [`  ${usage(one)}`, one.help])),
    "",
    ...table(flagRows(COMMON_FLAGS)),
  ];
}

/** One command with its flags. */
export function commandHelp(command: Command): string[] {
  const { flags = {} } = command;
  return [
    `deno task hecate ${usage(command)}`,
    "",
    command.help,
    "",
    ...table(flagRows({ ...flags, ...COMMON_FLAGS })),
  ];
}

/** The README's list. */
export function commandTable(commands: readonly Command[]): string {
  const rows = commands.map((command) => {
    const flags = Object.keys(command.flags ?? {})
      .map((name) => `\`--${name}\``).join(" ");
    return `| \`${usage(command)}\` | ${command.help} | ${flags} |`;
  });
  return ["| command | does | flags |", "|---|---|---|", ...rows].join("\n");
}
