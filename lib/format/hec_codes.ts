/** The reply codes of HEC (hec-protocol §3). */

/** What each code is: status and text. */
export const REPLIES = {
  0: { status: 200, text: "Success" },
  1: { status: 403, text: "Token disabled" },
  2: { status: 401, text: "Token is required" },
  3: { status: 401, text: "Invalid authorization" },
  4: { status: 403, text: "Invalid token" },
  5: { status: 400, text: "No data" },
  6: { status: 400, text: "Invalid data format" },
  7: { status: 400, text: "Incorrect index" },
  8: { status: 500, text: "Internal server error" },
  9: { status: 503, text: "Server is busy" },
  10: { status: 400, text: "Data channel is missing" },
  11: { status: 400, text: "Invalid data channel" },
  12: { status: 400, text: "Event field is required" },
  13: { status: 400, text: "Event field cannot be blank" },
  14: { status: 400, text: "ACK is disabled" },
  15: { status: 400, text: "Error in handling indexed fields" },
  16: { status: 400, text: "Query string authorization is not enabled" },
  17: { status: 200, text: "HEC is healthy" },
  18: { status: 503, text: "HEC is unhealthy, queues are full" },
  21: { status: 400, text: "Invalid token" },
  22: { status: 400, text: "Token disabled" },
  23: { status: 503, text: "Server is shutting down" },
  27: {
    status: 429,
    text: "HEC ACK channel is at capacity and cannot process any more requests",
  },
} as const satisfies Record<number, { status: number; text: string }>;

/** A code that we send. Never 24 or 25: npm splunk-logging and NiFi take any code but 0 for an error. */
export type Code = keyof typeof REPLIES;

/** The body of a reply: keys in Splunk's order. */
export function replyBody(
  text: string,
  code: number,
  number?: number,
  ackId?: number,
): string {
  const place = number === undefined ? "" : `,"invalid-event-number":${number}`;
  const ack = ackId === undefined ? "" : `,"ackId":${ackId}`;
  return `{"text":"${text}","code":${code}${place}${ack}}`;
}
