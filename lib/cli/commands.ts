/** The table of commands. Parsing, help, "did you mean" and the README's list come from it. */

import type { Command } from "./command.ts";
import {
  configEnv,
  configSchema,
  configShow,
  configValidate,
} from "./config_commands.ts";
import {
  connectorsBooks,
  connectorsList,
  connectorsTest,
} from "./connector_commands.ts";
import {
  deadDiscard,
  deadExport,
  deadGroups,
  deadImport,
  deadList,
  deadShow,
} from "./dead_commands.ts";
import { eventShow } from "./event_command.ts";
import { logVerify } from "./log_commands.ts";
import {
  deadReplay,
  replayFollow,
  replayList,
  replayPause,
  replayResume,
  replayShow,
  replayStart,
  replayStop,
} from "./replay_commands.ts";
import {
  connectorsDisable,
  connectorsEnable,
  connectorsProbe,
} from "./switch_commands.ts";

const version: Command = {
  name: "version",
  help: "Print Hecate's version and what it runs on.",
  run(call, { version, platform, out }) {
    out(
      call.has("json")
        ? JSON.stringify({ version, platform })
        : `hecate ${version} (${platform})`,
    );
    return 0;
  },
};

/** Carried out by `runCli`, which has the whole table. */
const help: Command = {
  name: "help",
  arguments: "[COMMAND]",
  count: [0, 2],
  help: "Print all commands, or one with its flags.",
  run: () => 0,
};

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  configValidate,
  configShow,
  configEnv,
  configSchema,
  connectorsList,
  connectorsTest,
  connectorsEnable,
  connectorsDisable,
  connectorsProbe,
  connectorsBooks,
  eventShow,
  deadList,
  deadShow,
  deadGroups,
  deadReplay,
  deadDiscard,
  deadExport,
  deadImport,
  replayStart,
  replayList,
  replayShow,
  replayFollow,
  replayPause,
  replayResume,
  replayStop,
  logVerify,
  version,
  help,
];
