import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Escaper,
  LONGEST_TEXT,
  openEscaper,
  openKernel,
  plainEscaper,
  SPILL,
} from "../../../lib/json/escape_kernel.ts";
import { MAX_ESCAPED } from "../../../lib/json/strings.ts";
import { testSeed } from "../../support/seed.ts";
import { kernelModule } from "../../support/write_wasm.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

const ROOM = MAX_ESCAPED * LONGEST_TEXT + 1_000;
const kernel = openKernel(ROOM);
assert.ok(kernel, "this Deno runs no WebAssembly with SIMD");
const ESCAPERS: readonly (readonly [string, Escaper])[] = [
  ["kernel", kernel],
  ["plain JS", plainEscaper(ROOM)],
];

/** Text with quotes as dense as JSON has them, and everything else that may go wrong. */
const CHARACTER = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(..."abc {}:,/~\x7f") },
  { weight: 4, arbitrary: fc.constantFrom('"', "\\") },
  { weight: 1, arbitrary: fc.constantFrom(..."\b\t\n\f\r") },
  {
    weight: 1,
    arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  },
  { weight: 1, arbitrary: fc.constantFrom(..."\u2028é€𝄞\ufeff") },
);
/** As above, and control characters that have no letter. */
const ANY_CHARACTER = fc.oneof(
  { weight: 40, arbitrary: CHARACTER },
  { weight: 1, arbitrary: fc.constantFrom("\0", "\x01", "\x0b", "\x1f") },
);

/** As many of these as fit in so many bytes; what is left is quotes. */
function fitted(characters: readonly string[], length: number): string {
  let text = "", left = length;
  for (const character of characters) {
    const size = encoder.encode(character).length;
    if (size > left) break;
    text += character;
    left -= size;
  }
  return text + '"'.repeat(left);
}

/** What `escaper` makes of `text`: read `from` bytes into a buffer, written `at` bytes into its memory. */
function escaped(
  escaper: Escaper,
  text: string,
  from: number,
  at: number,
): string {
  const length = encoder.encode(text).length;
  // Quotes around it: none of them belongs to it.
  const bytes = new Uint8Array(from + length + 20).fill(0x22);
  encoder.encodeInto(text, bytes.subarray(from));
  const before = bytes.slice();
  const { memory } = escaper, touched = at + MAX_ESCAPED * length + 2 * SPILL;
  memory.fill(0xfe, 0, touched);
  const end = escaper.escape(bytes, from, from + length, at);
  assert.deepEqual(bytes, before, "the text itself was changed");
  assert.ok(memory.subarray(0, at).every((byte) => byte === 0xfe));
  assert.ok(
    memory.subarray(end + SPILL, touched).every((byte) => byte === 0xfe),
    "more was spilt than is said",
  );
  return decoder.decode(memory.subarray(at, end));
}

/** The inside of what JSON.stringify writes. */
function stringified(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

for (const [name, escaper] of ESCAPERS) {
  Deno.test(`escape() of the ${name} equals JSON.stringify for every length and every place in a block`, () => {
    const seed = testSeed(`escape() of the ${name}`);
    const characters = fc.oneof(
      fc.array(CHARACTER, { minLength: 100, maxLength: 100 }),
      fc.array(ANY_CHARACTER, { minLength: 100, maxLength: 100 }),
    );
    fc.assert(
      fc.property(characters, (drawn) => {
        for (let length = 0; length <= 100; length++) {
          const text = fitted(drawn, length), expected = stringified(text);
          for (let offset = 0; offset < 16; offset++) {
            assert.equal(
              escaped(escaper, text, offset, (offset * 7 + length) % 16),
              expected,
            );
          }
        }
      }),
      { seed, numRuns: 25 },
    );
  });

  Deno.test(`escape() of the ${name} equals JSON.stringify for each pattern of quotes in a block`, () => {
    for (let pattern = 0; pattern < 65_536; pattern++) {
      let text = "";
      for (let place = 0; place < 16; place++) {
        text += pattern >> place & 1 ? '"\\\n'[place % 3] : "x";
      }
      const bytes = encoder.encode(text);
      const end = escaper.escape(bytes, 0, 16, 0);
      if (
        decoder.decode(escaper.memory.subarray(0, end)) !== stringified(text)
      ) {
        assert.fail(`pattern ${pattern.toString(2)}`);
      }
    }
  });

  Deno.test(`escape() of the ${name} escapes each character alone and among others`, () => {
    for (let code = 0; code <= 0x10_ffff; code += code < 0x3000 ? 1 : 257) {
      if (code >= 0xd800 && code < 0xe000) continue;
      const character = String.fromCodePoint(code);
      for (const text of [character, `"0123456${character}"${character}`]) {
        assert.equal(escaped(escaper, text, 0, 0), stringified(text));
      }
    }
  });

  Deno.test(`escape() of the ${name} takes the longest text at its worst`, () => {
    for (const unit of ["\x1f", '"', "x"]) {
      const text = unit.repeat(LONGEST_TEXT);
      assert.equal(escaped(escaper, text, 3, 5), stringified(text));
    }
    const last = "x".repeat(LONGEST_TEXT - 1) + "\x1f";
    assert.equal(escaped(escaper, last, 3, 5), stringified(last));
  });
}

Deno.test("openEscaper() does without WebAssembly, without SIMD, without room for the kernel's memory", () => {
  const own = globalThis.WebAssembly;
  class NoModule {
    constructor() {
      throw new own.CompileError("no SIMD here");
    }
  }
  class NoMemory {
    constructor() {
      throw new RangeError("could not allocate memory");
    }
  }
  const without: readonly unknown[] = [
    undefined,
    { Memory: own.Memory, Instance: own.Instance, Module: NoModule },
    { Memory: NoMemory, Instance: own.Instance, Module: own.Module },
  ];
  for (const stand of without) {
    Object.defineProperty(globalThis, "WebAssembly", {
      value: stand,
      configurable: true,
      writable: true,
    });
    try {
      assert.equal(openKernel(ROOM), undefined);
      const escaper = openEscaper(ROOM);
      assert.equal(escaped(escaper, 'a"\x1f', 1, 2), stringified('a"\x1f'));
    } finally {
      Object.defineProperty(globalThis, "WebAssembly", {
        value: own,
        configurable: true,
        writable: true,
      });
    }
  }
});

Deno.test("the kernel's bytes are what `deno task wasm` makes of its source", async () => {
  const { path, text } = await kernelModule();
  assert.equal(
    Deno.readTextFileSync(path),
    text,
    "run `deno task wasm` and commit what it writes",
  );
});
