/** `HTTPS_PROXY` and `NO_PROXY`, as other programs read them. */

/** Whether a URL's host is this machine. */
export function isLoopback(url: URL): boolean {
  const host = url.hostname;
  return host === "localhost" || host.endsWith(".localhost") ||
    host === "[::1]" || /^127(\.\d+){3}$/.test(host);
}

/** A part of a proxy's userinfo as text. What is no percent-encoding of UTF-8 stands for itself. */
export function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run;
    }
  });
}

/** What the environment says of proxies. */
export interface EnvironmentProxy {
  /** Which proxy an address gets; "none": a direct connection. Only TLS addresses get one. */
  readonly proxyFor: (url: URL) => URL | "none";
  /** The proxy's password, "" where it has none. A secret. */
  readonly password: string;
  /** What is set and does nothing. */
  readonly warnings: readonly string[];
}

/** Reads `HTTPS_PROXY` and `NO_PROXY`; in lower case where those are not set. */
export function environmentProxy(
  env: Readonly<Record<string, string>>,
): EnvironmentProxy {
  const name = env["HTTPS_PROXY"] ? "HTTPS_PROXY" : "https_proxy";
  const given = env[name] ?? "";
  const proxy = URL.parse(given);
  const exempt = (env["NO_PROXY"] || env["no_proxy"] || "").split(/[\s,]+/)
    .filter((entry) => entry !== "");
  const password = percentDecoded(proxy?.password ?? "");
  if (proxy === null || proxy.protocol !== "http:") {
    return {
      proxyFor: () => "none",
      password,
      warnings: given === "" ? [] : [
        `${name} does nothing: it is not http://host:port, the one kind of proxy that is supported. Where a connector names no proxy of its own, events go direct.`,
      ],
    };
  }
  const unread = exempt.filter((entry) =>
    entry.includes("/") && network(entry) === undefined
  );
  return {
    proxyFor: (url) =>
      url.protocol !== "https:" || isLoopback(url) ||
        exempt.some((entry) => isExempt(url, entry))
        ? "none"
        : proxy,
    password,
    warnings: unread.length === 0 ? [] : [
      `NO_PROXY: ${
        unread.join(", ")
      } means nothing here: a network is written as IPv4, such as 10.0.0.0/8.`,
    ],
  };
}

/** Whether an entry of NO_PROXY means this host: its name or network, a domain above it, `*`; with or without a port. */
function isExempt(url: URL, entry: string): boolean {
  const range = network(entry);
  if (range !== undefined) return range(url.hostname);
  const [, name = "", port] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (port !== undefined && port !== (url.port || "443")) return false;
  const host = name.toLowerCase().replace(/^\*?\./, "");
  return name === "*" || host !== "" &&
      (url.hostname === host || url.hostname.endsWith(`.${host}`));
}

/** Tells the hosts of an IPv4 network such as `10.0.0.0/8`; undefined when the entry is none. */
function network(entry: string): ((host: string) => boolean) | undefined {
  const [, address = "", bits = ""] = /^([\d.]+)\/(\d{1,2})$/.exec(entry) ?? [];
  const base = ipv4(address);
  if (base === undefined || Number(bits) > 32) return undefined;
  const size = 2 ** (32 - Number(bits));
  return (host) => {
    const number = ipv4(host);
    return number !== undefined &&
      Math.floor(number / size) === Math.floor(base / size);
  };
}

/** The number that an address in dotted decimal is. */
function ipv4(text: string): number | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  return parts.some((part) => part > 255)
    ? undefined
    : parts.reduce((number, part) => number * 256 + part, 0);
}
