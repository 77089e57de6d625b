import assert from "node:assert/strict";
import { numberedEvent } from "../fixtures/events.ts";
import { CampaignBooks } from "./books.ts";

/** Books over 300 events of one producer, all acked. */
function opened(): CampaignBooks {
  const books = new CampaignBooks(1, ["a", "b"]);
  books.ack(books.reserve(300, 0), 300);
  return books;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, n) => from + n);
}

function arrive(
  books: CampaignBooks,
  connector: string,
  numbers: readonly number[],
  connection = 0,
): void {
  for (const number of numbers) {
    const event = new TextEncoder().encode(numberedEvent(1, number));
    books.arrive(connector, event, connection);
  }
}

Deno.test("CampaignBooks finds no fault where a kill repeats one batch", () => {
  const books = opened();
  arrive(books, "a", range(0, 150));
  arrive(books, "b", range(0, 100));
  books.life++;
  arrive(books, "a", range(50, 300), 1);
  arrive(books, "b", range(100, 300), 1);
  assert.deepEqual(books.faults(), []);
  assert.deepEqual([books.repeated("a"), books.repeated("b")], [100, 0]);
});

const broken: readonly [string, RegExp, (books: CampaignBooks) => void][] = [
  ["a lost event", /b lacks 1 acked events, first 7/, (books) => {
    arrive(books, "a", range(0, 300));
    arrive(books, "b", range(0, 300).filter((n) => n !== 7));
  }],
  ["a repeat of more than a batch", /life 1 repeated 101 events/, (books) => {
    arrive(books, "a", range(0, 150));
    arrive(books, "b", range(0, 300));
    books.life++;
    arrive(books, "a", range(49, 300), 1);
  }],
  ["a repeat without a kill", /came at place 299, not 300/, (books) => {
    arrive(books, "a", [...range(0, 300), 299]);
    arrive(books, "b", range(0, 300));
  }],
  ["a changed order", /3 came behind 4 of its producer/, (books) => {
    for (const connector of ["a", "b"]) {
      arrive(books, connector, [0, 1, 2, 4, 3, ...range(5, 300)]);
    }
  }],
  ["connectors that differ", /differ at place 1: 1, 300/, (books) => {
    books.ack(books.reserve(1, 1), 1);
    arrive(books, "a", range(0, 301));
    arrive(books, "b", [0, 300, ...range(1, 300)]);
  }],
  ["an invented event", /b got an event that was never sent/, (books) => {
    arrive(books, "a", range(0, 300));
    arrive(books, "b", range(0, 301));
  }],
  ["a changed event", /a got an event that was never sent/, (books) => {
    arrive(books, "a", range(0, 300));
    arrive(books, "b", range(0, 300));
    books.arrive("a", new TextEncoder().encode('{"n":5}'), 0);
  }],
];

for (const [what, fault, happen] of broken) {
  Deno.test(`CampaignBooks finds ${what}`, () => {
    const books = opened();
    happen(books);
    assert.match(books.faults().join("\n"), fault);
  });
}
