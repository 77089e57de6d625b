/** Where the log lies as people write it: a path, `:memory:`, or a KV Connect URL. */

/** A KV Connect URL, not a path. */
export function isStoreUrl(location: string): boolean {
  return /^https?:\/\//i.test(location);
}

/** What is wrong with it, as a sentence. */
export function locationFault(location: string): string | undefined {
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(location);
  if (!isUrl) return undefined;
  const url = isStoreUrl(location) ? URL.parse(location) : null;
  if (url === null) {
    return "It is neither a path, nor :memory:, nor a KV Connect URL (http or https).";
  }
  return url.username === "" && url.password === ""
    ? undefined
    : "Take the credential out of the address: KV Connect asks for the access token in DENO_KV_ACCESS_TOKEN.";
}

/** What in it may be a credential, as written and decoded: name, password, and the values of its query. */
export function locationSecrets(location: string): string[] {
  const url = isStoreUrl(location) ? URL.parse(location) : null;
  if (url === null) return [];
  const values = url.search.slice(1).split("&")
    .map((pair) => pair.slice(pair.indexOf("=") + 1));
  const written = [url.username, url.password, ...values];
  return [...written, ...written.map(decoded), ...url.searchParams.values()]
    .filter((one) => one !== "");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
