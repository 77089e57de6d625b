/** How the benchmark talks to its loader and sinks: one JSON object a line, over their stdin and stdout. */

/** The lines of a byte stream. */
export async function* lines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}

/** Writes one JSON object as a line to stdout. */
export function say(value: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(value) + "\n"));
}

/** Latencies in buckets 4.4 % apart, so that millions of them cost nothing. Microseconds. */
export class Histogram {
  readonly #buckets = new Float64Array(16 * 32);
  #count = 0;

  add(us: number, count: number): void {
    const bucket = us <= 1 ? 0 : Math.floor(Math.log2(us) * 16);
    const at = Math.min(bucket, this.#buckets.length - 1);
    this.#buckets[at] = (this.#buckets[at] as number) + count;
    this.#count += count;
  }

  /** The value that the fraction `p` lies at or below, in milliseconds; 0 when empty. */
  quantile(p: number): number {
    let left = this.#count * p;
    for (let i = 0; i < this.#buckets.length && this.#count > 0; i++) {
      left -= this.#buckets[i] as number;
      if (left <= 0) return 2 ** ((i + 0.5) / 16) / 1_000;
    }
    return 0;
  }

  clear(): void {
    this.#buckets.fill(0);
    this.#count = 0;
  }
}
