/** Where a request was sent to, as it may be shown. */

/** Letters of names and addresses. A URL's host may hold more, such as `$(…)`, which a shell would run. */
const HOST = /^[\w.:[\]-]*$/;

/** `origin` is empty where the Host header makes no address (`Host: [`) or an odd one: links are then relative. */
export function addressOf(
  url: string,
): { readonly origin: string; readonly pathname: string } {
  const parsed = URL.parse(url);
  if (parsed === null) return { origin: "", pathname: "/" };
  const { host, origin, pathname } = parsed;
  return { origin: HOST.test(host) ? origin : "", pathname };
}
