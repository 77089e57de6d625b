/** A disk that a test may fill. */

const MIB = 1024 * 1024;

/** A small disk of its own, unmounted at the end; undefined where mounting is not allowed. */
export async function smallDisk(mebibytes: number): Promise<
  ({ readonly path: string } & AsyncDisposable) | undefined
> {
  if (Deno.build.os !== "linux") return undefined;
  const path = await Deno.makeTempDir();
  const { success } = await new Deno.Command("mount", {
    args: ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "hecate-test", path],
    stderr: "null",
  }).output();
  if (!success) {
    await Deno.remove(path);
    return undefined;
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      await new Deno.Command("umount", { args: ["-l", path] }).output();
      await Deno.remove(path);
    },
  };
}

/** Fills what is left of the disk. */
export async function fillDisk(path: string): Promise<void> {
  using file = await Deno.open(path, { create: true, write: true });
  for (const size of [MIB, 65_536, 4_096]) {
    const chunk = new Uint8Array(size).fill(1);
    for (;;) {
      try {
        if (await file.write(chunk) < size) break;
      } catch {
        break;
      }
    }
  }
}
