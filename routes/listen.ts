/** The listening socket. */

/** The address is taken; the message is one line for the operator. */
export class AddressInUse extends Error {
  override readonly name = "AddressInUse";
}

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM texts: then the port speaks TLS only. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Host and port are the platform's choice. */
  readonly isChosenByPlatform: boolean;
}

export interface Listener {
  /** Where it listens, with a slash at the end. */
  readonly url: string;
  /** Takes no new connections and resolves when the requests in flight are answered. */
  shutdown(): Promise<void>;
}

/** Serves requests. @throws {AddressInUse} when the port is taken. */
export function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  { host, port, tls, isChosenByPlatform }: ListenOptions,
): Listener {
  try {
    const server = Deno.serve({
      ...(isChosenByPlatform ? {} : { hostname: host, port }),
      ...(tls ?? {}),
      onListen() {},
    }, fetch);
    return {
      url: urlOf(server.addr, tls !== undefined),
      shutdown: () => server.shutdown(),
    };
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AddrInUse)) throw cause;
    throw new AddressInUse(
      `Port ${port} on ${host} is in use by another program. Stop it, or set HECATE_PORT to another port.`,
      { cause },
    );
  }
}

function urlOf({ hostname, port }: Deno.NetAddr, isTls: boolean): string {
  const host = hostname === "0.0.0.0" || hostname === "::"
    ? "localhost"
    : hostname.includes(":")
    ? `[${hostname}]`
    : hostname;
  return `${isTls ? "https" : "http"}://${host}:${port}/`;
}
