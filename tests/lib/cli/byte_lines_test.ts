import { deepEqual, rejects } from "node:assert/strict";
import { byteLines } from "../../../lib/cli/byte_lines.ts";

async function read(chunks: readonly string[], most?: number) {
  const encoder = new TextEncoder(), lines: string[] = [];
  const stream = ReadableStream.from(
    chunks.map((chunk) => encoder.encode(chunk)),
  );
  for await (const line of byteLines(stream, most)) {
    lines.push(new TextDecoder().decode(line));
  }
  return lines;
}

Deno.test("byteLines() joins what chunks cut, and keeps blank lines", async () => {
  deepEqual(await read(["a\n\nb", "", "c\r\n", "\n", "d"]), [
    "a",
    "",
    "bc\r",
    "",
    "d",
  ]);
  deepEqual(await read([]), []);
  deepEqual(await read(["\n"]), [""]);
  for await (const _ of byteLines(null)) throw new Error("none is there");
});

Deno.test("byteLines() reads no further than the longest line", async () => {
  deepEqual(await read(["abc\nabc"], 3), ["abc", "abc"]);
  await rejects(read(["ab", "cd", "never"], 3), RangeError);
});
