/** Reading small JSON that others wrote, member by member, without trusting its shape. Not for events. */

/** The value, or undefined for what is no JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A JSON object's own members; none of anything else. */
export function asObject(value: unknown): Partial<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? { ...value }
    : {};
}

/** The value where it is a string, else "". */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
