/** "Did you mean": the known name nearest to an unknown one. */

/** Insertions, removals, replacements and swaps of neighbours that make `b` of `a`. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(replace, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** Names that one reading looks at for its guesses: some 150 ms. Nobody reads thousands of guesses. */
const MOST_NAMES = 60_000;

/** `nearest` for many names, until it was looked for long enough; undefined from then on. */
export class Guesses {
  #left = MOST_NAMES;

  nearest(
    name: string,
    names: readonly string[] | ReadonlySet<string>,
  ): string | undefined {
    if (this.#left <= 0) return undefined;
    this.#left -= "size" in names ? names.size : names.length;
    return nearest(name, names);
  }
}

/** The nearest of `names`, if it is near enough to be meant: at most a third of the name differs. */
export function nearest(
  name: string,
  names: Iterable<string>,
): string | undefined {
  let found: string | undefined;
  let least = Math.floor(name.length / 3) + 1;
  for (const known of names) {
    // Their lengths alone differ by as much.
    if (Math.abs(known.length - name.length) >= least) continue;
    const distance = editDistance(name, known);
    if (distance < least) {
      least = distance;
      found = known;
    }
  }
  return found;
}
