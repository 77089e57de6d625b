/** Elasticsearch's `filter_path`: the parts of an answer that were asked for. What is left empty is left out, items too. */

/** Keeps what the comma-separated dotted paths name; `*` stands for any one name. `undefined`: nothing is left. */
export function filterPath(value: unknown, filter: string): unknown {
  return keep(value, filter.split(",").map((path) => path.trim().split(".")));
}

function keep(
  value: unknown,
  paths: readonly (readonly string[])[],
): unknown {
  if (paths.some((path) => path.length === 0)) return value;
  if (Array.isArray(value)) {
    // An array is no step of the path. Elements of which nothing is left vanish, and places shift.
    const left = value.map((item) => keep(item, paths))
      .filter((item) => item !== undefined);
    return left.length === 0 ? undefined : left;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const left: [string, unknown][] = [];
  for (const [name, member] of Object.entries(value)) {
    const inside = paths
      .filter(([first]) => first === name || first === "*")
      .map((path) => path.slice(1));
    const kept = inside.length === 0 ? undefined : keep(member, inside);
    if (kept !== undefined) left.push([name, kept]);
  }
  return left.length === 0 ? undefined : Object.fromEntries(left);
}
