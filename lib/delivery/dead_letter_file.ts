/**
 * The dead letter file: JSON lines for people and their tools, beside the copies in the store, which are the truth.
 *
 * Append only. One line a record: `timestamp`, `connector`, `error`, `event`, and only then what is ours to add.
 */

import { dirname } from "node:path";
import { joinBytes } from "../json/copy.ts";
import { eventOnOneLine, oneLine } from "../json/one_line.ts";
import { METADATA } from "../json/spans.ts";
import type { EventView } from "../event.ts";
import type { DeadRecord } from "../log/dead_record.ts";
import type { Logger } from "../logger.ts";

/** What a record says beside the event. */
export interface DeadLetterNote {
  /** When it died: milliseconds since the Unix epoch. */
  readonly at: number;
  readonly connector: string;
  /** The vendor's words with status or code, without secrets. */
  readonly error: string;
  readonly reason: string;
  /** How often it was sent. */
  readonly attempts: number;
}

const NEWLINE = 0x0a;

const encoder = new TextEncoder();

/** One record as a line, its end included. The event's own bytes, save that line breaks between tokens become a space. */
export function deadLetterLine(
  view: EventView,
  note: DeadLetterNote,
): Uint8Array<ArrayBuffer> {
  return lineOf({
    ...note,
    timestamp: new Date(note.at).toISOString(),
    event: eventOnOneLine(view.event, view.isRaw),
    envelope: envelopeJson(view),
    id: view.id,
  });
}

/** The same of a record that is kept in the store: what an export holds, and an import takes. */
export function recordLine(record: DeadRecord): Uint8Array<ArrayBuffer> {
  const members = METADATA.flatMap(([name]) => {
    const text = record.envelope[name];
    return text === undefined
      ? []
      : [`"${name}":${decoder.decode(oneLine(encoder.encode(text)))}`];
  });
  return lineOf({
    ...record,
    event: eventOnOneLine(record.event, record.isRaw),
    envelope: encoder.encode(`{${members.join(",")}}`),
  });
}

const decoder = new TextDecoder();

/** The keys in the seed's order, then ours. */
function lineOf(
  record: Omit<DeadLetterNote, "at"> & {
    readonly timestamp: string;
    readonly event: Uint8Array;
    readonly envelope: Uint8Array;
    readonly id: string;
  },
): Uint8Array<ArrayBuffer> {
  const { timestamp, connector, error, reason, attempts, id } = record;
  return joinBytes([
    encoder.encode(
      `{"timestamp":${JSON.stringify(timestamp)},"connector":${
        JSON.stringify(connector)
      },"error":${JSON.stringify(error)},"event":`,
    ),
    record.event,
    encoder.encode(
      `,"reason":${JSON.stringify(reason)},"attempts":${attempts},"envelope":`,
    ),
    record.envelope,
    encoder.encode(`,"id":${JSON.stringify(id)}}\n`),
  ]);
}

/** What the producer said about the event, as it came: the members that are there. */
function envelopeJson(view: EventView): Uint8Array<ArrayBuffer> {
  const parts = [encoder.encode("{")];
  for (const [name, member] of METADATA) {
    const start = view.start(member), end = view.end(member);
    if (start === end) continue;
    parts.push(
      encoder.encode(`${parts.length > 1 ? "," : ""}"${name}":`),
      oneLine(view.bytes, start, end),
    );
  }
  parts.push(encoder.encode("}"));
  return joinBytes(parts);
}

/** The file itself, shared by all connectors: their records never mix within a line. */
export class DeadLetterFile {
  readonly path: string;
  readonly #logger: Logger;
  #last: Promise<void> = Promise.resolve();
  #broken = false;

  constructor(path: string, logger: Logger) {
    this.path = path;
    this.#logger = logger;
  }

  /**
   * Appends whole lines and flushes them to the disk. Never rejects: the store holds the dead letters too, so a file
   * that cannot be written is said once and must not stop deliveries.
   */
  append(lines: readonly Uint8Array[]): Promise<void> {
    const turn = this.#last.then(() => this.#append(joinBytes(lines)));
    this.#last = turn;
    return turn;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    try {
      await Deno.mkdir(dirname(this.path), { recursive: true });
      // Opened anew each time: records are rare, and a rotated or deleted file comes back by itself.
      using file = await Deno.open(this.path, {
        read: true,
        append: true,
        create: true,
        mode: 0o600,
      });
      // A kill in mid-write leaves half a line; the next record must not become part of it.
      if (!await endsWithNewline(file)) await writeAll(file, NEW_LINE);
      await writeAll(file, bytes);
      await file.sync();
      this.#broken = false;
    } catch (cause) {
      if (this.#broken) return;
      this.#broken = true;
      this.#logger.log(
        "error",
        "delivery.dead",
        "The dead letter file cannot be written; dead letters are kept in the store.",
        { path: this.path, error: String(cause) },
      );
    }
  }
}

const NEW_LINE = Uint8Array.of(NEWLINE);

async function endsWithNewline(file: Deno.FsFile): Promise<boolean> {
  const { isFile, size } = await file.stat();
  if (!isFile || size === 0) return true;
  await file.seek(-1, Deno.SeekMode.End);
  const last = new Uint8Array(1);
  await file.read(last);
  return last[0] === NEWLINE;
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += await file.write(bytes.subarray(at));
}
