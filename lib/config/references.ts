/** `${env:NAME}` and `${file:PATH}` in the file's texts. */

import { type Environment, fileText } from "./environment.ts";
import type { Guesses } from "./nearest.ts";

/** What references are resolved with. */
export interface ReferenceSource {
  readonly env: Environment;
  /** @throws when the file cannot be read. */
  readonly readFile: (path: string) => string;
  readonly guesses: Guesses;
}

/** A text with its references resolved. */
export interface Resolved {
  readonly text: string;
  /** What came in place of the references: secrets, where the setting is one. */
  readonly pieces: readonly string[];
  readonly fault?: { readonly sentence: string; readonly guess?: string };
}

/** `$${` stands for `${` itself. */
const REFERENCE = /\$\$\{|\$\{(?:([^{}]*)\})?/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Characters that a text may come to: far above any secret or certificate, far below what memory holds. */
const MOST_CHARACTERS = 1_048_576;

/** The variables that a text names, set or not. */
export function namedVariables(text: string): string[] {
  return [...text.matchAll(REFERENCE)].flatMap(([, inner = ""]) => {
    const name = /^env:(.*)$/s.exec(inner)?.[1] ?? "";
    return NAME.test(name) ? [name] : [];
  });
}

/** Resolves a text; the first reference that cannot be resolved is the fault. */
export function resolveReferences(
  text: string,
  { env, readFile, guesses }: ReferenceSource,
): Resolved {
  const pieces: string[] = [];
  let fault: Resolved["fault"];
  let length = text.length;
  const resolved = text.replace(REFERENCE, (match, inner?: string) => {
    if (match === "$${") return "${";
    const [, kind, rest = ""] = /^(env|file):(.*)$/s.exec(inner ?? "") ?? [];
    let piece: string | undefined;
    if (kind === "env" && NAME.test(rest)) {
      piece = env[rest];
      if (piece === undefined) {
        const guess = guesses.nearest(rest, Object.keys(env));
        fault ??= {
          sentence: `The variable ${rest} is not set.`,
          ...guess !== undefined && { guess },
        };
      }
    } else if (kind === "file" && rest !== "") {
      try {
        piece = fileText(rest, readFile);
      } catch {
        fault ??= { sentence: `The file "${rest}" cannot be read.` };
      }
    } else {
      // What stands between the braces may be a secret in the wrong place.
      fault ??= {
        sentence:
          "A reference is written ${env:NAME} or ${file:PATH}; $${ stands for the characters ${.",
      };
    }
    length += piece?.length ?? 0;
    if (length > MOST_CHARACTERS) {
      fault ??= { sentence: "What stands here comes to more than 1 MiB." };
      return "";
    }
    pieces.push(piece ?? "");
    return piece ?? "";
  });
  return { text: resolved, pieces, ...fault !== undefined && { fault } };
}
