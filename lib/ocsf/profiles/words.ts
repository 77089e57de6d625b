/** Tables and pieces that several profiles share. */

import { type Choice, chooseWord, isAddress } from "../choices.ts";
import {
  constant,
  either,
  email,
  hostname,
  ip,
  type Leaf,
  notIp,
  port,
  text,
  unless,
} from "../leaves.ts";
import type { Attributes } from "../profile.ts";

export function product(vendor: string, name: string): Attributes {
  return { vendor_name: constant(vendor), name: constant(name) };
}

/** What stands for a thing that must be named and is not. */
export const unknown: Leaf = constant("Unknown");

/** Severities as words. Those of syslog stand as `destinations.md` §12.3 has them, the other way round. */
const SEVERITY_WORDS: Readonly<Record<string, number>> = {
  trace: 1,
  debug: 1,
  verbose: 1,
  info: 1,
  information: 1,
  informational: 1,
  notice: 2,
  low: 2,
  warn: 3,
  warning: 3,
  medium: 3,
  moderate: 3,
  err: 4,
  error: 4,
  high: 4,
  crit: 5,
  critical: 5,
  alert: 6,
  emerg: 6,
  emergency: 6,
  fatal: 6,
  panic: 6,
};

/** A severity that the source says in words. */
export function severityWord(...paths: readonly string[]): Choice {
  return chooseWord(paths, SEVERITY_WORDS);
}

/** A user by what the source has; none of them may be there. */
export function user(
  members: {
    readonly name?: readonly string[];
    readonly uid?: readonly string[];
    readonly mail?: readonly string[];
    readonly fullName?: readonly string[];
  },
  rest: Attributes = {},
): Attributes {
  return {
    name: text(...members.name ?? []),
    uid: text(...members.uid ?? []),
    email_addr: email(...members.mail ?? []),
    full_name: text(...members.fullName ?? []),
    ...rest,
  };
}

/** An end of a connection: an address, else a name. */
export function endpoint(
  address: readonly string[],
  ports: readonly string[] = [],
  rest: Attributes = {},
): Attributes {
  return {
    ip: ip(...address),
    hostname: hostname(...address),
    port: port(...ports),
    ...rest,
  };
}

/** Where a caller is: an address, else whatever the source puts there, else `Unknown`. */
export function caller(...address: readonly string[]): Attributes {
  return {
    ip: ip(...address),
    name: either(
      notIp(...address),
      unless(isAddress(...address), unknown),
    ),
  };
}

/** Captions of `auth_protocol_id`. */
export const AUTH_PROTOCOLS: Readonly<Record<number, string>> = {
  1: "NTLM",
  2: "Kerberos",
  5: "SAML",
  6: "OAUTH 2.0",
};
