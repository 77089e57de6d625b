/** Reads syslog messages that carry CEF, by the formats' own words and without the product's code. */

import assert from "node:assert/strict";

/** A message taken apart; texts as they were before escaping. */
export interface CefMessage {
  readonly priority: number;
  readonly time: string;
  readonly hostname: string;
  readonly app: string;
  readonly messageId: string;
  /** Vendor, product, version, signature id, name, severity. */
  readonly header: readonly string[];
  /** In the order of the message. */
  readonly pairs: readonly (readonly [string, string])[];
  readonly values: ReadonlyMap<string, string>;
}

const RFC5424 =
  /^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([!-~]{1,255}) ([!-~]{1,48}) - ([!-~]{1,32}) - (CEF:0\|[^]*)$/;

/** Takes one message without its frame apart. @throws {AssertionError} when it is malformed */
export function parseMessage(message: string): CefMessage {
  const found = RFC5424.exec(message);
  assert.ok(found, `no RFC 5424 message: ${message}`);
  const [, priority, time, hostname, app, messageId, cef] = found;
  const { header, extension } = splitHeader(cef ?? "");
  const pairs = parseExtension(extension);
  return {
    priority: Number(priority),
    time: time ?? "",
    hostname: hostname ?? "",
    app: app ?? "",
    messageId: messageId ?? "",
    header,
    pairs,
    values: new Map(pairs),
  };
}

function splitHeader(cef: string): { header: string[]; extension: string } {
  const parts: string[] = [""];
  let i = 0;
  for (; i < cef.length && parts.length < 8; i++) {
    const letter = cef[i] ?? "";
    assert.ok(letter >= " ", "a control character in the header");
    if (letter === "|") parts.push("");
    else if (letter === "\\") {
      const next = cef[++i] ?? "";
      assert.match(next, /^[\\|]$/, "an escape that CEF's header has not");
      parts[parts.length - 1] += next;
    } else parts[parts.length - 1] += letter;
  }
  assert.equal(parts.length, 8, `no whole CEF header: ${cef}`);
  return { header: parts.slice(1, 7), extension: cef.slice(i) };
}

/** An unescaped `=` ends a key, which is the word before it. */
export function parseExtension(text: string): [string, string][] {
  const pairs: [string, string][] = [];
  let value = "";
  for (let i = 0; i < text.length; i++) {
    const letter = text[i] ?? "";
    assert.ok(letter >= " " && letter !== "\x7f", "a control character");
    if (letter === "=") {
      const space = value.lastIndexOf(" ");
      const key = value.slice(space + 1);
      assert.match(key, /^[A-Za-z0-9]+$/, `no key: ${key}`);
      const last = pairs.at(-1);
      if (last !== undefined) last[1] = value.slice(0, Math.max(0, space));
      else assert.equal(space, -1, "text before the first key");
      pairs.push([key, ""]);
      value = "";
    } else if (letter === "\\") {
      const next = text[++i] ?? "";
      assert.match(next, /^[\\=nr]$/, "an escape that CEF's values have not");
      value += next === "n" ? "\n" : next === "r" ? "\r" : next;
    } else value += letter;
  }
  const last = pairs.at(-1);
  if (last !== undefined) last[1] = value;
  for (const [key, text] of pairs) {
    assert.notEqual(text.replace(/^ +| +$/g, ""), "", `${key} is empty`);
  }
  return pairs;
}

/** The messages of a body with a line feed behind each. */
export function lines(body: Uint8Array): string[] {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  const all = text.split("\n");
  assert.equal(all.pop(), "", "the last message ends with a line feed");
  return all;
}

/** The messages of a body with octet counts. */
export function counted(body: Uint8Array): string[] {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const found: string[] = [];
  let rest = body;
  while (rest.length > 0) {
    const [, digits] = /^([1-9]\d*) /.exec(
      new TextDecoder().decode(rest.subarray(0, 10)),
    ) ?? [];
    assert.ok(digits !== undefined, "no octet count");
    const from = digits.length + 1, end = from + Number(digits);
    assert.ok(end <= rest.length, "the count goes beyond the end");
    found.push(decoder.decode(rest.subarray(from, end)));
    rest = rest.subarray(end);
  }
  return found;
}
