/** Words and figures for the terminal. */

/** "1 event", "1,200 events" */
export function counted(count: number, what: string): string {
  return `${count.toLocaleString("en-US")} ${what}${count === 1 ? "" : "s"}`;
}

/** A vendor's words on one line, without what a terminal would carry out. @param most letters */
export function onOneLine(text: string, most = Infinity): string {
  // deno-lint-ignore no-control-regex -- they are what must not reach the terminal
  const line = text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}
