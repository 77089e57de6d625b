/**
 * Memory in which texts are escaped as the inside of JSON strings: by a WebAssembly kernel (escape_kernel.wat), or by
 * `writeJsonString` where there is no WebAssembly or it has no SIMD.
 *
 * An event of 750 bytes takes 0.12 µs in the kernel and 0.83 in plain JS (Deno 2.9.6; `tests/bench/escape.ts`). Copying
 * it to the kernel's memory costs 0.03, so the kernel pays for whole events and not for fields. What it escapes stays in
 * that memory: it is for who keeps it there. Nothing is compiled before an escaper is opened (0.3 ms).
 */

import { copyBytes } from "./copy.ts";
import { ESCAPE_KERNEL } from "./escape_kernel_bytes.ts";
import { writeJsonString } from "./strings.ts";

/** The longest text that an escaper takes, in bytes. */
export const LONGEST_TEXT = 64 * 1024;
/** Bytes behind what is written that may be overwritten, too. */
export const SPILL = 23;

/** Memory with a way to escape into it. */
export interface Escaper {
  /** The memory. It stays where it is. */
  readonly memory: Uint8Array<ArrayBuffer>;
  /**
   * Writes the text at `start`…`end` of `bytes`, which must be valid UTF-8 and no longer than `LONGEST_TEXT`, to
   * `memory` from `at` on as `writeJsonString` does. There must be room for `MAX_ESCAPED` times the text and `SPILL`.
   * @returns the place behind what was written
   */
  escape(bytes: Uint8Array, start: number, end: number, at: number): number;
}

/** What the kernel exports; see there. */
type Kernel = (read: number, end: number, write: number) => number;

/** Places in the kernel's memory: its table, the text, and behind them what is written. */
const TABLE_AT = 0, TEXT_AT = 256 * 16, BLOCK = 16;
const OUT_AT = TEXT_AT + LONGEST_TEXT + BLOCK;
/** Bytes of a page of WebAssembly's memory. */
const PAGE = 64 * 1024;

/** An escaper with `room` bytes of memory, the fastest that can be had. */
export function openEscaper(room: number): Escaper {
  return openKernel(room) ?? plainEscaper(room);
}

/** An escaper by the kernel; undefined where the kernel cannot run, or no address space is left for its memory. */
export function openKernel(room: number): Escaper | undefined {
  const pages = Math.ceil((OUT_AT + room) / PAGE);
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const module = new WebAssembly.Module(kernelBytes());
    const relay = { memory };
    const { escape } = new WebAssembly.Instance(module, { relay }).exports;
    // No other thread shares this memory, and the bytes are the source's, which a test sees to.
    const buffer = memory.buffer as ArrayBuffer;
    return kernelEscaper(escape as Kernel, buffer, room);
  } catch {
    // Whatever the cause: what the kernel does, plain JS does too.
    return undefined;
  }
}

/** An escaper in plain JS. */
export function plainEscaper(room: number): Escaper {
  const memory = new Uint8Array(room);
  return {
    memory,
    escape: (bytes, start, end, at) =>
      writeJsonString(bytes, start, end, memory, at),
  };
}

function kernelEscaper(
  kernel: Kernel,
  buffer: ArrayBuffer,
  room: number,
): Escaper {
  const whole = new Uint8Array(buffer);
  const memory = whole.subarray(OUT_AT, OUT_AT + room);
  writeTable(whole);
  return {
    memory,
    escape(bytes, start, end, at) {
      const textEnd = copyBytes(bytes, start, end, whole, TEXT_AT);
      const behind = kernel(TEXT_AT, textEnd, OUT_AT + at);
      // A control character without a letter of its own: JSON text holds none, so the kernel need not know how.
      if (behind < 0) return writeJsonString(bytes, start, end, memory, at);
      return behind - OUT_AT;
    },
  };
}

/**
 * The kernel's shuffles: for each pattern of bytes that get a backslash (bit n for byte n), eight bytes' places in order,
 * before each of those the place of a backslash, 8.
 */
function writeTable(memory: Uint8Array): void {
  for (let pattern = 0; pattern < 256; pattern++) {
    let at = TABLE_AT + pattern * BLOCK;
    for (let place = 0; place < 8; place++) {
      if (pattern >> place & 1) memory[at++] = 8;
      memory[at++] = place;
    }
  }
}

function kernelBytes(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(ESCAPE_KERNEL), (byte) => byte.charCodeAt(0));
}
