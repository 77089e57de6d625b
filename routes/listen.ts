/** The listening socket. */

/** Nothing can listen as the settings say; the message is one line for the operator. */
export class ListenFault extends Error {}

/** Another program has the port. */
export class AddressInUse extends ListenFault {}

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

/** Serves requests. @throws {ListenFault} when it cannot, {AddressInUse} when the port is taken. */
export function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  options: ListenOptions,
  serve: typeof Deno.serve = Deno.serve,
): Listener {
  const { host, port, tls, isChosenByPlatform } = options;
  try {
    const server = serve({
      ...(isChosenByPlatform ? {} : { hostname: host, port }),
      ...(tls ?? {}),
      onListen() {},
    }, fetch);
    return {
      url: urlOf(server.addr, tls !== undefined),
      shutdown: () => server.shutdown(),
    };
  } catch (cause) {
    throw listenFault(cause, options);
  }
}

/** What a person should do about it. Texts as measured on Deno 2.9.6 and 2.5.6. */
function listenFault(
  cause: unknown,
  { host, port, tls }: ListenOptions,
): ListenFault {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof Deno.errors.AddrInUse) {
    return new AddressInUse(
      `Port ${port} on ${host} is in use by another program. Stop it, or set HECATE_PORT to another port.`,
      { cause },
    );
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return new ListenFault(
      `HECATE_PORT: This user may not listen on port ${port} of ${host}. Ports below 1024 are often the administrator's: take a higher one.`,
      { cause },
    );
  }
  if (
    cause instanceof Deno.errors.AddrNotAvailable ||
    cause instanceof URIError ||
    /failed to lookup address/.test(text)
  ) {
    return new ListenFault(
      `HECATE_HOST: "${host}" is no address of this machine. 127.0.0.1 is for this machine only, 0.0.0.0 for all.`,
      { cause },
    );
  }
  return tls !== undefined && /certificate|key/i.test(text)
    ? new ListenFault(
      `HECATE_TLS_CERT, HECATE_TLS_KEY: They cannot be used (${text}). They must be PEM and belong together.`,
      { cause },
    )
    : new ListenFault(`Hecate cannot listen on ${host}:${port}: ${text}`, {
      cause,
    });
}

function urlOf({ hostname, port }: Deno.NetAddr, isTls: boolean): string {
  const host = hostname === "0.0.0.0" || hostname === "::"
    ? "localhost"
    : hostname.includes(":")
    ? `[${hostname}]`
    : hostname;
  return `${isTls ? "https" : "http"}://${host}:${port}/`;
}
