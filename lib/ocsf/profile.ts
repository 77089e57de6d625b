/** Profiles: tables that say what an OCSF event's attributes come from, compiled once into steps that write bytes. */

import type { GrowingBytes } from "../template.ts";
import {
  categoryCaption,
  categoryOfClass,
  severityCaption,
} from "./captions.ts";
import { type Choice, type Condition, NO_CHOICE } from "./choices.ts";
import {
  either,
  envelopeHost,
  envelopeSource,
  type Leaf,
  text,
} from "./leaves.ts";
import { CLASSES, type Needs, OBJECT_NEEDS } from "./needs.ts";
import { putAscii, putBytes } from "./put.ts";
import { memberId, type Source } from "./source.ts";

/** Attributes by name: a leaf, an object, or a list of one object. */
export interface Attributes {
  readonly [name: string]: Leaf | Attributes | readonly [Attributes];
}

/** How the events of one source become events of one class. */
export interface Profile {
  /** For tests and people. */
  readonly name: string;
  /** All must hold. The first is the cheapest that tells the source from others. */
  readonly when: readonly Condition[];
  /** `vendor_name`, and `name` or `uid`: always there. */
  readonly product: Attributes;
  /** One of `CLASSES`. */
  readonly classUid: number;
  readonly activity: Choice;
  /** What activity 99 is. */
  readonly activityName?: Leaf;
  /** 1, Informational, where the event says nothing. */
  readonly severity?: Choice;
  readonly status?: Choice;
  /** Members with the event's time, the best first. */
  readonly time: readonly string[];
  readonly message?: Leaf;
  /** Beside version, product, profiles, uid, times, `log_name` and `loggers`. */
  readonly metadata?: Attributes;
  readonly attributes?: Attributes;
}

const LEFT_BRACE = 0x7b;

const encoder = new TextEncoder();

/** A step that writes a member, its comma and name included. @returns whether it did */
type Step = (source: Source, into: GrowingBytes) => boolean;

/** Members that are written one after another, and what must be among them. */
class Members {
  readonly #steps: readonly Step[];
  readonly #names: readonly string[];
  readonly #all: number;
  readonly #any: number;

  constructor(attributes: Attributes, needs: Needs) {
    const rows = Object.entries(attributes);
    this.#names = rows.map(([name]) => name);
    if (rows.length > 31) throw new TypeError("An object has too many members");
    this.#steps = rows.map(([name, value]) => stepOf(name, value));
    this.#all = this.mask(needs.all ?? []);
    this.#any = needs.any === undefined ? -1 : this.mask(needs.any);
    const missing = needs.all?.find((name) => !this.#names.includes(name));
    if (missing !== undefined) throw new TypeError(`No ${missing}`);
  }

  /** The bits of these members. */
  mask(names: readonly string[]): number {
    let mask = 0;
    for (const name of names) {
      const at = this.#names.indexOf(name);
      if (at >= 0) mask |= 1 << at;
    }
    return mask;
  }

  /** Writes `,"name":value` for each that has one. @returns their bits, or -1 when what must be there is not */
  write(source: Source, into: GrowingBytes): number {
    let written = 0;
    const steps = this.#steps;
    for (let i = 0; i < steps.length; i++) {
      if ((steps[i] as Step)(source, into)) written |= 1 << i;
    }
    const isWhole = (written & this.#all) === this.#all &&
      (this.#any === -1 || (written & this.#any) !== 0);
    return isWhole ? written : -1;
  }
}

function isObject(
  value: Attributes | readonly [Attributes],
): value is Attributes {
  return !Array.isArray(value);
}

function stepOf(name: string, value: Attributes[string]): Step {
  const prefix = encoder.encode(`,"${name}":`);
  if (typeof value === "function") {
    return (source, into) => {
      const mark = into.length;
      putBytes(prefix, into);
      if (value(source, into)) return true;
      into.length = mark;
      return false;
    };
  }
  const object = isObject(value) ? value : value[0];
  const members = new Members(object, OBJECT_NEEDS[name] ?? {});
  const close = isObject(value) ? "}" : "}]";
  const open = isObject(value) ? prefix : encoder.encode(`,"${name}":[`);
  return (source, into) => {
    const mark = into.length;
    putBytes(open, into);
    const first = into.length;
    if (members.write(source, into) <= 0) {
      into.length = mark;
      return false;
    }
    // In the place of the first member's comma.
    into.bytes[first] = LEFT_BRACE;
    putAscii(close, into);
    return true;
  };
}

/** What metadata says of any event. */
const COMMON_METADATA: Attributes = {
  log_name: envelopeSource,
  loggers: [{ name: either(envelopeHost, text("syslog.host")) }],
};

/** What the engine writes around a profile's attributes. */
export interface Surroundings {
  /** `,"time":…` and what else stands before the attributes. */
  before(source: Source, profile: CompiledProfile, into: GrowingBytes): void;
  /** The rest of `metadata`, its closing brace included, and the rest of the event. */
  after(source: Source, into: GrowingBytes): void;
}

export class CompiledProfile {
  readonly name: string;
  readonly classUid: number;
  readonly when: readonly Condition[];
  /** Ids of the members with the time, one in each. */
  readonly time: readonly Int32Array[];
  readonly message: Leaf | undefined;
  readonly #profile: Profile;
  readonly #metadata: Members;
  readonly #attributes: Members;
  /** Bits of attributes that make the event one of an OCSF profile. */
  readonly #cloud: number;
  readonly #host: number;
  readonly #control: number;
  /** The event's first members by activity. */
  readonly #heads = new Map<number, Uint8Array>();
  readonly #otherHead: Uint8Array;

  constructor(profile: Profile) {
    const { name, classUid } = profile;
    this.#profile = profile;
    this.name = name;
    this.classUid = classUid;
    this.when = profile.when;
    this.time = profile.time.map((path) => Int32Array.of(memberId(path)));
    this.message = profile.message;
    const mapped = CLASSES[classUid];
    if (mapped === undefined) throw new TypeError(`No class ${classUid}`);
    this.#metadata = new Members({
      product: profile.product,
      ...COMMON_METADATA,
      ...profile.metadata,
    }, { all: ["product"] });
    this.#attributes = new Members(profile.attributes ?? {}, mapped.needs);
    this.#cloud = this.#attributes.mask(["cloud"]);
    this.#host = classUid === 0 ? 0 : this.#attributes.mask(["device"]);
    this.#control = this.#attributes.mask(["action_id"]);
    for (const [id, caption] of Object.entries(mapped.activities)) {
      const head = headOf(classUid, Number(id), caption);
      this.#heads.set(
        Number(id),
        encoder.encode(`${head},"activity_name":"${caption}"`),
      );
    }
    this.#otherHead = encoder.encode(headOf(classUid, 99, "Other"));
  }

  fits(source: Source): boolean {
    const { when } = this;
    for (let i = 0; i < when.length; i++) {
      if (!(when[i] as Condition)(source)) return false;
    }
    return true;
  }

  /** Writes the event. @returns false, with nothing written, when what the class needs cannot be filled */
  write(
    source: Source,
    surroundings: Surroundings,
    into: GrowingBytes,
  ): boolean {
    const mark = into.length;
    this.#putHead(source, into);
    surroundings.before(source, this, into);
    this.#putSeverity(source, into);
    this.#putStatus(source, into);
    if (this.message !== undefined) {
      putLeaf(MESSAGE, this.message, source, into);
    }
    const written = this.#attributes.write(source, into);
    if (written < 0) {
      into.length = mark;
      return false;
    }
    putAscii(',"metadata":{"version":"1.1.0"', into);
    this.#putProfiles(written, into);
    this.#metadata.write(source, into);
    surroundings.after(source, into);
    return true;
  }

  #putHead(source: Source, into: GrowingBytes): void {
    const activity = this.#profile.activity(source);
    const { activityName } = this.#profile;
    if (activity === 99 && activityName !== undefined) {
      putBytes(this.#otherHead, into);
      if (putLeaf(ACTIVITY_NAME, activityName, source, into)) return;
      putAscii(',"activity_name":"Other"', into);
      return;
    }
    const head = this.#heads.get(activity) ?? this.#heads.get(0);
    if (head !== undefined) putBytes(head, into);
  }

  #putSeverity(source: Source, into: GrowingBytes): void {
    const said = this.#profile.severity?.(source) ?? NO_CHOICE;
    const part = SEVERITIES.get(said) ?? SEVERITIES.get(INFORMATIONAL);
    if (part !== undefined) putBytes(part, into);
  }

  #putStatus(source: Source, into: GrowingBytes): void {
    const said = this.#profile.status?.(source) ?? NO_CHOICE;
    if (said === 1) putAscii(',"status_id":1,"status":"Success"', into);
    else if (said === 2) putAscii(',"status_id":2,"status":"Failure"', into);
    else if (said === 0) putAscii(',"status_id":0,"status":"Unknown"', into);
  }

  #putProfiles(written: number, into: GrowingBytes): void {
    let open = ',"profiles":[';
    const put = (name: string) => {
      putAscii(`${open}"${name}"`, into);
      open = ",";
    };
    if ((written & this.#cloud) !== 0) put("cloud");
    if ((written & this.#host) !== 0) put("host");
    if ((written & this.#control) !== 0) put("security_control");
    if (open === ",") putAscii("]", into);
  }
}

const INFORMATIONAL = 1;
const SEVERITIES = new Map(
  [0, 1, 2, 3, 4, 5, 6].map((id) => [
    id,
    encoder.encode(
      `,"severity_id":${id},"severity":"${severityCaption(id)}"`,
    ),
  ]),
);
const MESSAGE = ',"message":', ACTIVITY_NAME = ',"activity_name":';

function headOf(uid: number, activity: number, caption: string): string {
  const category = categoryOfClass(uid), name = CLASSES[uid]?.name;
  return `{"class_uid":${uid},"class_name":"${name}",` +
    `"category_uid":${category},` +
    `"category_name":"${categoryCaption(category)}",` +
    `"type_uid":${uid * 100 + activity},"type_name":"${name}: ${caption}",` +
    `"activity_id":${activity}`;
}

function putLeaf(
  prefix: string,
  leaf: Leaf,
  source: Source,
  into: GrowingBytes,
): boolean {
  const mark = into.length;
  putAscii(prefix, into);
  if (leaf(source, into)) return true;
  into.length = mark;
  return false;
}
