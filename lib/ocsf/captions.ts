/** OCSF 1.1.0's severities, categories and classes, by id and by caption (compared with the schema by a test). */

const SEVERITIES: readonly (readonly [number, string])[] = [
  [0, "Unknown"],
  [1, "Informational"],
  [2, "Low"],
  [3, "Medium"],
  [4, "High"],
  [5, "Critical"],
  [6, "Fatal"],
  [99, "Other"],
];

const CATEGORIES: readonly (readonly [number, string])[] = [
  [0, "Uncategorized"],
  [1, "System Activity"],
  [2, "Findings"],
  [3, "Identity & Access Management"],
  [4, "Network Activity"],
  [5, "Discovery"],
  [6, "Application Activity"],
];

const CLASSES: readonly (readonly [number, string])[] = [
  [0, "Base Event"],
  [1001, "File System Activity"],
  [1002, "Kernel Extension Activity"],
  [1003, "Kernel Activity"],
  [1004, "Memory Activity"],
  [1005, "Module Activity"],
  [1006, "Scheduled Job Activity"],
  [1007, "Process Activity"],
  [2001, "Security Finding"],
  [2002, "Vulnerability Finding"],
  [2003, "Compliance Finding"],
  [2004, "Detection Finding"],
  [2005, "Incident Finding"],
  [3001, "Account Change"],
  [3002, "Authentication"],
  [3003, "Authorize Session"],
  [3004, "Entity Management"],
  [3005, "User Access Management"],
  [3006, "Group Management"],
  [4001, "Network Activity"],
  [4002, "HTTP Activity"],
  [4003, "DNS Activity"],
  [4004, "DHCP Activity"],
  [4005, "RDP Activity"],
  [4006, "SMB Activity"],
  [4007, "SSH Activity"],
  [4008, "FTP Activity"],
  [4009, "Email Activity"],
  [4010, "Network File Activity"],
  [4011, "Email File Activity"],
  [4012, "Email URL Activity"],
  [4013, "NTP Activity"],
  [5001, "Device Inventory Info"],
  [5002, "Device Config State"],
  [5003, "User Inventory Info"],
  [5004, "Operating System Patch State"],
  [5019, "Device Config State Change"],
  [6001, "Web Resources Activity"],
  [6002, "Application Lifecycle"],
  [6003, "API Activity"],
  [6004, "Web Resource Access Activity"],
  [6005, "Datastore Activity"],
  [6006, "File Hosting Activity"],
  [6007, "Scan Activity"],
  [201001, "Registry Key Activity"],
  [201002, "Registry Value Activity"],
  [201003, "Windows Resource Activity"],
  [205004, "Registry Key Info"],
  [205005, "Registry Value Info"],
  [205019, "Prefetch Info"],
];

/** Ids and captions of one kind, both ways. */
class Captions {
  readonly #captions: Map<number, string>;
  readonly #ids: Map<string, number>;

  constructor(rows: readonly (readonly [number, string])[]) {
    this.#captions = new Map(rows);
    this.#ids = new Map(
      rows.map(([id, caption]) => [caption.toLowerCase(), id]),
    );
  }

  caption(id: number): string | undefined {
    return this.#captions.get(id);
  }

  /** By id, or by caption whatever its case; undefined where there is none such. */
  id(idOrCaption: string | number): number | undefined {
    const text = String(idOrCaption).trim();
    if (/^\d{1,6}$/.test(text)) {
      const id = Number(text);
      return this.#captions.has(id) ? id : undefined;
    }
    return this.#ids.get(text.toLowerCase());
  }
}

const severities = new Captions(SEVERITIES);
const categories = new Captions(CATEGORIES);
const classes = new Captions(CLASSES);

/** `High`, `high`, `4` and 4 are 4. */
export function severityId(idOrCaption: string | number): number | undefined {
  return severities.id(idOrCaption);
}

/** Undefined for an id that OCSF 1.1.0 does not know. */
export function severityCaption(id: number): string | undefined {
  return severities.caption(id);
}

/** `API Activity`, `api activity`, `6003` and 6003 are 6003. */
export function classUid(idOrCaption: string | number): number | undefined {
  return classes.id(idOrCaption);
}

/** Undefined for a class that OCSF 1.1.0 does not know. */
export function classCaption(uid: number): string | undefined {
  return classes.caption(uid);
}

/** `Findings`, `findings`, `2` and 2 are 2. */
export function categoryUid(idOrCaption: string | number): number | undefined {
  return categories.id(idOrCaption);
}

/** Undefined for a category that OCSF 1.1.0 does not know. */
export function categoryCaption(uid: number): string | undefined {
  return categories.caption(uid);
}

/** The category of a class: the thousands of its uid (an extension's uid stands before them). */
export function categoryOfClass(classUid: number): number {
  return Math.floor(classUid % 100_000 / 1000);
}

/** All captions, for help texts and for the nearest known name. */
export const SEVERITY_CAPTIONS: readonly string[] = SEVERITIES.map((r) => r[1]);
export const CATEGORY_CAPTIONS: readonly string[] = CATEGORIES.map((r) => r[1]);
export const CLASS_CAPTIONS: readonly string[] = CLASSES.map((r) => r[1]);
