/** What a relay leaves behind that was killed: its files as they are while it is still open. */

/** Copies a KV file's folder and gives the copy's KV path; `except`: files left out, by the end of their names. */
export async function killedCopy(
  location: string,
  except: readonly string[] = [],
): Promise<string> {
  const slash = location.lastIndexOf("/");
  const folder = location.slice(0, slash), name = location.slice(slash + 1);
  const copy = await Deno.makeTempDir({ prefix: "killed" });
  for (const entry of Deno.readDirSync(folder)) {
    const isLeftOut = except.some((end) => entry.name.endsWith(end));
    // The wal-index is made anew, as after a real kill.
    if (!entry.isFile || isLeftOut || entry.name.endsWith("-shm")) continue;
    Deno.copyFileSync(`${folder}/${entry.name}`, `${copy}/${entry.name}`);
  }
  return `${copy}/${name}`;
}

/** Removes the folder of a copy. */
export async function removeCopy(location: string): Promise<void> {
  await Deno.remove(location.slice(0, location.lastIndexOf("/")), {
    recursive: true,
  });
}
