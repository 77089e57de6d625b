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

/** Whether an entry of NO_PROXY means this host: the name itself, its subdomains, `*`, with or without a port. */
function isExempt(url: URL, entry: string): boolean {
  const [, name = "", port] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (port !== undefined && port !== (url.port || "443")) return false;
  const host = name.toLowerCase().replace(/^\*?\./, "");
  return name === "*" || host !== "" &&
      (url.hostname === host || url.hostname.endsWith(`.${host}`));
}

/** Which proxy the environment wants for an address; "none" for a direct connection. Only TLS addresses get one. */
export function environmentProxy(
  env: Readonly<Record<string, string>>,
): (url: URL) => URL | "none" {
  const proxy = URL.parse(env["HTTPS_PROXY"] || env["https_proxy"] || "");
  const exempt = (env["NO_PROXY"] || env["no_proxy"] || "").split(/[\s,]+/)
    .filter((entry) => entry !== "");
  return (url) =>
    proxy === null || proxy.protocol !== "http:" ||
      url.protocol !== "https:" || isLoopback(url) ||
      exempt.some((entry) => isExempt(url, entry))
      ? "none"
      : proxy;
}
