/**
 * The kinds of settings, each a zod schema from the text that people write to a checked value, with what forms,
 * documentation and error messages need to know about it. Sentences are those of the console's form.
 * It is long because every kind stands here, once.
 */

import { z } from "zod";
import { momentOf } from "../moment.ts";
import { readDuration, readSize, readSwitch } from "./quantities.ts";

/** What a setting's kind is called where people read it. */
export type FieldKind =
  | "text"
  | "secret"
  | "url"
  | "path"
  | "choice"
  | "switch"
  | "count"
  | "duration"
  | "size"
  | "time";

/** What a declaration says of a setting beside its type. */
export interface FieldText {
  readonly title: string;
  /** One sentence or two, for documentation and form. */
  readonly help: string;
  readonly example?: string;
  /** The environment variable's whole name, where it does not follow from prefix and key. */
  readonly env?: string;
  /** An empty value means something (leave the member out) and is not the same as none. */
  readonly empty?: boolean;
  /** Its text is JSON: in a file a map or a list may stand for it. */
  readonly json?: boolean;
  /** What is odd about a text that is in order otherwise, as a sentence. */
  readonly oddity?: (text: string) => string | undefined;
}

/** What is known of a setting. */
export interface FieldMeta extends FieldText {
  readonly kind: FieldKind;
  readonly isRequired: boolean;
  /** As people would write it. */
  readonly default?: string;
  readonly choices?: readonly string[];
  readonly unit?: string;
}

/** What is known of a map of settings. */
export interface GroupMeta {
  /** Of each list at least one must be set. */
  readonly oneOf: readonly (readonly string[])[];
}

// Settings are read once: what zod would compile for each map costs 6 ms of every start and is never used again.
z.config({ jitless: true });

const FIELDS = z.registry<FieldMeta>();
const GROUPS = z.registry<GroupMeta>();

/** What is known of a setting. @throws {TypeError} when it was not made here. */
export function fieldMeta(schema: z.core.$ZodType): FieldMeta {
  const meta = FIELDS.get(schema);
  if (meta === undefined) {
    throw new TypeError("A setting must be made with lib/config/fields.ts");
  }
  return meta;
}

/** What is known of a map of settings. */
export function groupMeta(schema: z.core.$ZodType): GroupMeta {
  return GROUPS.get(schema) ?? { oneOf: [] };
}

function define<S extends z.ZodType>(schema: S, meta: FieldMeta): S {
  FIELDS.add(schema, meta);
  return schema;
}

/** A setting that may be absent. */
export function optional<S extends z.ZodType>(field: S): z.ZodOptional<S> {
  return define(field.optional(), { ...fieldMeta(field), isRequired: false });
}

/** A setting with a default, given as people would write it. */
export function withDefault<S extends z.ZodType<unknown, string>>(
  field: S,
  text: string,
): z.ZodPrefault<S> {
  return define(z.prefault(field, text as z.input<S> & string), {
    ...fieldMeta(field),
    isRequired: false,
    default: text,
  });
}

/** A map of settings. Keys are the YAML keys. */
export function group<S extends Record<string, z.ZodType>>(
  shape: S,
  meta: GroupMeta = { oneOf: [] },
): z.ZodObject<S> {
  const schema = z.object(shape);
  GROUPS.add(schema, meta);
  return schema;
}

/** A setting: from the text that people write to its value. */
export type Field<T> = z.ZodPipe<z.ZodString, z.ZodTransform<T, string>>;

type Reading<T> = { readonly value: T } | { readonly fault: string };

/** A field that `read` makes of text; a string it answers is the fault. */
function field<T>(
  meta: FieldMeta,
  read: (text: string) => Reading<T>,
): Field<T> {
  const schema = z.string().transform((text, context): T => {
    const reading = read(text);
    if ("value" in reading) return reading.value;
    context.addIssue({ code: "custom", message: reading.fault });
    return z.NEVER;
  });
  return define(schema, meta);
}

/** Free text on one line. */
export function text(about: FieldText): Field<string> {
  return field<string>({ ...about, kind: "text", isRequired: true }, (value) =>
    // deno-lint-ignore no-control-regex -- control characters are what it looks for
    /[\x00-\x1f\x7f]/.test(value)
      ? { fault: "There is a line break or control character in it." }
      : { value });
}

/** A credential: never printed, never logged. `scheme` words before it are pointed out. */
export function secret(about: FieldText): Field<string> {
  return field<string>(
    { ...about, kind: "secret", isRequired: true },
    (value) => {
      // As vendors' pages write it; what it says is not repeated: it might be a secret in the same marks.
      if (/^(<[^<>]+>|\{[^{}]+\})$/.test(value.trim())) {
        return {
          fault: "This is a placeholder. Put the real value in its place.",
        };
      }
      if (/^(splunk|bearer|basic|apikey) /i.test(value)) {
        return {
          fault: "Leave out the word before the token; it is added by itself.",
        };
      }
      if (!/^[\x21-\x7e]+$/.test(value)) {
        return {
          fault:
            "There is a space, line break or curly quote in it. Copy it again as plain text.",
        };
      }
      return { value };
    },
  );
}

/** Any text that is a secret: tokens with options, passphrases. */
export function secretText(about: FieldText): Field<string> {
  return field<string>(
    { ...about, kind: "secret", isRequired: true },
    (value) => ({ value }),
  );
}

/** An http or https address without credentials. */
export function address(about: FieldText): Field<URL> {
  return field<URL>({ ...about, kind: "url", isRequired: true }, (value) => {
    const placeholder = /\{[^}]*\}|<[^>]*>/.exec(value);
    if (placeholder !== null) {
      return {
        fault: `Replace the placeholder in the address (it still has ${
          placeholder[0]
        }).`,
      };
    }
    const url = URL.parse(value.trim());
    if (url === null || !/^https?:$/.test(url.protocol)) {
      return {
        fault: "This is not an address. It should begin with https://",
      };
    }
    if (url.username !== "" || url.password !== "") {
      return {
        fault: "Put the credential in its own setting, not in the address.",
      };
    }
    url.hash = "";
    return { value: url };
  });
}

/** A proxy's address, or `none`. */
export function proxyAddress(about: FieldText): Field<URL | "none"> {
  return field<URL | "none">(
    { ...about, kind: "url", isRequired: true },
    (value) => {
      if (value.trim().toLowerCase() === "none") return { value: "none" };
      const url = URL.parse(value.trim());
      return url !== null && url.protocol === "http:"
        ? { value: url }
        : { fault: "A proxy is written http://host:port, or none." };
    },
  );
}

/** A file's path; the loader reads it where it says so. */
export function path(about: FieldText): Field<string> {
  return field<string>(
    { ...about, kind: "path", isRequired: true },
    (value) =>
      value.includes("\0") ? { fault: "This is not a path." } : { value },
  );
}

/** One of a few words. */
export function choice<const T extends string>(
  about: FieldText,
  choices: readonly T[],
): Field<T> {
  return field<T>(
    { ...about, kind: "choice", isRequired: true, choices },
    (value) => {
      const found = choices.find((word) => word === value.trim());
      return found === undefined
        ? { fault: `It must be one of ${choices.join(", ")}.` }
        : { value: found };
    },
  );
}

/** A point in time (RFC 3339; milliseconds since the Unix epoch), or one of a few words. */
export function moment<const T extends string>(
  about: FieldText,
  words: readonly T[],
): Field<T | number> {
  return field<T | number>(
    { ...about, kind: "time", isRequired: true },
    (value) => {
      const given = value.trim();
      const word = words.find((one) => one === given);
      if (word !== undefined) return { value: word };
      const at = momentOf(given);
      return at === undefined
        ? {
          fault: `It must be ${
            words.join(", ")
          } or a time such as 2026-03-13T00:00:00Z.`,
        }
        : { value: at };
    },
  );
}

/** Yes or no. */
export function toggle(about: FieldText): Field<boolean> {
  return field<boolean>(
    { ...about, kind: "switch", isRequired: true },
    (text) => {
      const value = readSwitch(text);
      return value === undefined
        ? {
          fault:
            "It must be true or false (yes/no, on/off and 1/0 do as well).",
        }
        : { value };
    },
  );
}

/** The least and the most that a setting may be, as numbers; messages write them as people do. */
export interface Range {
  readonly least?: number;
  readonly most?: number;
}

function bounded(
  about: FieldText,
  kind: "count" | "duration" | "size",
  read: (text: string) => number | undefined,
  form: string,
  range: Range,
): Field<number> {
  const { least = 0, most = Number.MAX_SAFE_INTEGER } = range;
  const unit = { count: "", duration: " ms", size: " bytes" }[kind];
  return field<number>({ ...about, kind, isRequired: true }, (text) => {
    const value = read(text);
    if (value === undefined) return { fault: `It must be ${form}.` };
    if (value < least) return { fault: `The least is ${least}${unit}.` };
    if (value > most) return { fault: `The most is ${most}${unit}.` };
    return { value };
  });
}

/** A whole number. */
export function count(about: FieldText, range: Range = {}): Field<number> {
  const read = (text: string) =>
    /^\d{1,15}$/.test(text.trim()) ? Number(text) : undefined;
  return bounded(about, "count", read, "a whole number", range);
}

/** Milliseconds. */
export function duration(about: FieldText, range: Range = {}): Field<number> {
  const form =
    "a duration such as 500ms, 2s, 5m or 24h (a bare number is seconds)";
  return bounded(about, "duration", readDuration, form, range);
}

/** Bytes. */
export function size(about: FieldText, range: Range = {}): Field<number> {
  const form = "a size such as 64KiB or 5MB (a bare number is bytes)";
  return bounded(about, "size", readSize, form, range);
}
