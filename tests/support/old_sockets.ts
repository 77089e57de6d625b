/** The runtime's sockets as Deno 2.5 has them: a write that is pending when its connection is closed never settles. */

import type { Sockets } from "../../lib/delivery/tls_native.ts";

/** What such a write still holds, and would send once the far end reads. */
export interface OldSockets extends Sockets {
  readonly stuck: readonly Uint8Array[];
}

/** Plain connections are like that, on whatever Deno; TLS is the runtime's own. */
export function oldSockets(): OldSockets {
  const { connectTls, startTls } = Deno;
  const stuck: Uint8Array[] = [];
  return {
    connectTls,
    startTls,
    version: "2.5.6",
    stuck,
    async connect(options) {
      const conn = await Deno.connect(options);
      const write = conn.write.bind(conn), close = conn.close.bind(conn);
      let pending: Uint8Array | undefined;
      let isClosed = false;
      conn.close = () => {
        if (pending !== undefined && !isClosed) stuck.push(pending);
        isClosed = true;
        close();
      };
      conn.write = async (bytes) => {
        if (isClosed) throw new Deno.errors.BadResource("closed");
        pending = bytes;
        const [result] = await Promise.allSettled([write(bytes)]);
        if (isClosed) return await new Promise<never>(() => {});
        pending = undefined;
        if (result.status === "rejected") throw result.reason;
        return result.value;
      };
      return conn;
    },
  };
}
