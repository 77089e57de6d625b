/** Aligned columns for people. */

import { printable } from "../printable.ts";

/** Lines of columns two spaces apart; the last is not padded. */
export function table(given: readonly (readonly string[])[]): string[] {
  const rows = given.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row.map((cell, at) =>
      at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)
    ).join("  ").trimEnd()
  );
}
