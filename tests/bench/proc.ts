/** What a process has used, from /proc (Linux only). Deno gives /proc to nobody without --allow-all. */

/** Ticks per second of the times in /proc/<pid>/stat: fixed at 100 in the kernel's interface. */
const TICKS = 100;

/** CPU time of one process or thread: user and system seconds together. */
function statSeconds(path: string): number {
  const stat = Deno.readTextFileSync(path);
  // The command's name may hold spaces and brackets; the fields are counted after its closing one (utime is the 14th of all).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** CPU seconds (user and system) that all threads of a process have used, ended threads included. Steps of 10 ms. */
export function cpuSeconds(pid: number): number {
  return statSeconds(`/proc/${pid}/stat`);
}

/** CPU seconds of the main thread alone. */
export function mainThreadSeconds(pid: number): number {
  return statSeconds(`/proc/${pid}/task/${pid}/stat`);
}

/** The largest resident set that the process ever had, in bytes (VmHWM). */
export function peakRss(pid: number): number {
  const found = /^VmHWM:\s*(\d+) kB/m.exec(
    Deno.readTextFileSync(`/proc/${pid}/status`),
  );
  if (found === null) throw new TypeError(`No VmHWM for process ${pid}`);
  return Number(found[1]) * 1_024;
}
