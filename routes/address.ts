/** Where a request was sent to, as it may be shown. */

/** `origin` is empty where the Host header makes no address (`Host: [`): links are then relative. */
export function addressOf(
  url: string,
): { readonly origin: string; readonly pathname: string } {
  const parsed = URL.parse(url);
  if (parsed !== null) return parsed;
  return { origin: "", pathname: "/" };
}
