/** Taking foreign records in as dead letters: an import, and the seed's replay of a dead letter file. */

import type { Clock } from "../../lib/clock.ts";
import {
  type NumberedRecord,
  readRecord,
} from "../../lib/delivery/dead_letter_import.ts";
import type { ForeignLetter, Imported } from "../../lib/log/dead_import.ts";
import type { DeadLetters } from "../../lib/log/dead_kept.ts";
import { Turns } from "../../lib/turns.ts";
import { Faults } from "./faults.ts";

/** Letters of one connector that are taken in together. */
const BATCH = 200;
/** Wrong records that an answer lists. */
const MOST_FAULTS = 1_000;

/** A record that is none. */
export interface RecordFault {
  /** Number of its line, or of the record where they do not stand on lines; from 1. */
  readonly line: number;
  readonly detail: string;
}

export interface IntakeParts {
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  /** Names of the configured connectors. */
  readonly connectors: Iterable<string>;
}

/**
 * Takes records in, each for itself and in their order. Gives the process away every few milliseconds.
 * @param onTaken what became of some letters of one connector.
 * @returns what is wrong with those that are no dead letters. @throws what the store throws
 */
export async function takeIn(
  records: Iterable<NumberedRecord | undefined>,
  { deadLetters, clock, connectors }: IntakeParts,
  onTaken: (connector: string, letters: readonly Imported[]) => void,
): Promise<Faults<RecordFault>> {
  const known = new Set(connectors);
  const faults = new Faults<RecordFault>(MOST_FAULTS);
  const turns = new Turns(clock);
  const redact = (text: string) => deadLetters.redacted(text);
  let batch: ForeignLetter[] = [];
  const flush = async () => {
    const [first] = batch;
    if (first === undefined) return;
    const { connector } = first;
    onTaken(
      connector,
      await deadLetters.import(connector, batch, clock.now()),
    );
    batch = [];
  };
  for (const record of records) {
    if (turns.isOver) await turns.next();
    if (record === undefined) continue;
    const read = readRecord(record.bytes, known, redact);
    if ("fault" in read) {
      faults.push({ line: record.number, detail: read.fault });
      continue;
    }
    const { letter } = read;
    const isOther = batch[0] !== undefined &&
      batch[0].connector !== letter.connector;
    if (isOther || batch.length >= BATCH) await flush();
    batch.push(letter);
  }
  await flush();
  return faults;
}
