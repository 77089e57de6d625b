/** Which HEC endpoint an address means. Anything may stand before it: CrowdStrike and FalconPy put a key there. */

/** `unknown` is an address under the collector that means nothing. */
export interface HecRoute {
  readonly endpoint: "event" | "raw" | "ack" | "health" | "unknown";
  /** The query without its question mark. */
  readonly query: string;
}

const COLLECTOR = "/services/collector";
/** LogScale's own address for the same. */
const LOGSCALE = "/api/v1/ingest/hec";
const RAW_IN_QUERY = /services(?:\/|%2f)collector(?:\/|%2f)raw(?:\/|%2f|$)/i;

/** The endpoint of a request's URL; undefined when it is none of HEC's addresses. */
export function findHecRoute(url: string): HecRoute | undefined {
  const mark = url.indexOf("?");
  const end = mark < 0 ? url.length : mark;
  const slash = url.indexOf("/", url.indexOf("//") + 2);
  if (slash < 0 || slash >= end) return undefined;
  let at = url.lastIndexOf(COLLECTOR, end - COLLECTOR.length);
  let next = at + COLLECTOR.length;
  if (at < slash || next < end && url[next] !== "/") {
    at = url.lastIndexOf(LOGSCALE, end - LOGSCALE.length);
    next = at + LOGSCALE.length;
    if (at < slash || next < end && url[next] !== "/") return undefined;
  }
  const query = mark < 0 ? "" : url.slice(mark + 1);
  // An empty part of the path, before it or after: a mistyped address, as Splunk sees it.
  if (at > slash && url[at - 1] === "/") return { endpoint: "unknown", query };
  const suffix = url.slice(next, end);
  return { endpoint: endpointOf(suffix, query), query };
}

function endpointOf(suffix: string, query: string): HecRoute["endpoint"] {
  switch (suffix) {
    case "":
      // FalconPy with `host/services/collector?k=` as its key: the rest of its address lands in the query.
      return query !== "" && RAW_IN_QUERY.test(query) ? "raw" : "event";
    case "/event":
    case "/event/1.0":
    case "/1.0":
      return "event";
    case "/raw":
    case "/raw/1.0":
      return "raw";
    case "/ack":
    case "/ack/1.0":
      return "ack";
    case "/health":
    case "/health/1.0":
      return "health";
    default:
      return "unknown";
  }
}
