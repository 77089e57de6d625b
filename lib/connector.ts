/**
 * The contract between a SIEM type (one file in `connectors/`) and the dispatcher.
 *
 * A connector knows its vendor's wire format and how to judge the vendor's answers. It does not retry, sleep, count
 * attempts, write dead letters or see the store: all of that is the dispatcher's.
 */

import type { ZodType } from "zod";
import type { Clock } from "./clock.ts";
import type { BatchBuffer } from "./delivery/batch_buffer.ts";
import type {
  HttpExchange,
  HttpTarget,
  TlsSettings,
} from "./delivery/http_exchange.ts";
import type {
  DatagramSender,
  DatagramTarget,
  MessageStream,
  StreamTarget,
} from "./delivery/message_stream.ts";
import type { EventRun, EventView } from "./event.ts";

/** A fault that passes by itself: the place is kept and the attempt repeated with backoff. */
export type WeatherReason =
  | "dns"
  | "refused"
  | "timeout"
  | "cut"
  | "slow_down"
  | "server"
  | "unclear"
  | "internal";

/** A fault that only a person can mend: the place is kept and probed slowly. Never a dead letter. */
export type SetupReason =
  | "auth"
  | "forbidden"
  | "path"
  | "redirect"
  | "not_collector"
  | "not_http"
  | "config"
  | "client_key"
  | "tls_issuer"
  | "tls_self"
  | "tls_name"
  | "tls_expired"
  | "tls_early"
  | "tls_client"
  | "tls_version"
  | "tls_plain"
  | "tls_pin"
  | "tls";

/** A fault of one event: it becomes a dead letter. */
export type DataReason = "rejected" | "too_large" | "unencodable";

/** One event that the SIEM will never take. */
export interface Rejection {
  /** Its place in the attempt's events, from 0. */
  readonly at: number;
  readonly reason: DataReason;
  /** The vendor's words with status or code, shortened, without secrets. */
  readonly message: string;
}

/** What a SIEM said of events that it took. */
export interface Answer {
  /** Null where the protocol has none, or it is not known. */
  readonly status: number | null;
  /** The vendor's words, at most 300 characters, without secrets; "": none. */
  readonly message: string;
}

/** What a SIEM signals of events that it took. */
export interface Warning {
  /** Its trouble, for people; no secrets. */
  readonly warning?: string;
  /** So many of them it put elsewhere than they were sent to. */
  readonly aside?: number;
}

/** What became of one attempt. Every event is in exactly one state; nothing is implied by silence. */
export type Outcome =
  /** All were taken. `slowDown`: send at half the rate for this long (milliseconds). */
  | Warning & {
    readonly kind: "delivered";
    readonly slowDown?: number;
  }
  /** All but these were taken; places in `pending` were not looked at and go again at once. */
  | Warning & {
    readonly kind: "rejected";
    readonly rejections: readonly Rejection[];
    readonly pending?: readonly number[];
  }
  /** Weather. Places in `pending` go again after the backoff; absent means all that were not rejected. The rest were taken. */
  | Warning & {
    readonly kind: "retry";
    readonly reason: WeatherReason;
    readonly message: string;
    /** The wait that the SIEM asked for, in milliseconds. */
    readonly after?: number;
    /** What is pending goes in two halves: it took the SIEM too long. A lone event goes as it is. */
    readonly smaller?: true;
    readonly pending?: readonly number[];
    readonly rejections?: readonly Rejection[];
  }
  /** Refused as a whole without naming an event: halve; a lone event is a rejection for this reason. */
  | {
    readonly kind: "split";
    readonly reason: "too_large" | "rejected";
    readonly message: string;
  }
  /** Nothing can be delivered until a person acts. `help` says what to do. */
  | {
    readonly kind: "held";
    readonly reason: SetupReason;
    readonly message: string;
    readonly help: string;
    /** It is the proxy that refuses. */
    readonly ofProxy?: boolean;
  };

/** What one request may carry. All sizes are bytes of the request body before compression, separators counted. */
export interface BatchLimits {
  readonly events: number;
  /** A batch closes before it grows past this; a lone event may be larger. */
  readonly bytes: number;
  /** The most that one event may take, encoded; above it the event is a dead letter (`too_large`) and never sent. */
  readonly eventBytes: number;
}

/** A type's limits, each with its source in the connector's file. */
export interface TypeLimits extends BatchLimits {
  /** The most that an operator may set for a batch: what the vendor takes in one request. */
  readonly mostEvents: number;
  readonly mostBytes: number;
}

/** What leaves: the event's bytes as they came, or an OCSF event (as it came where it is one, else mapped or wrapped). */
export type EventFormat = "native" | "ocsf";

/**
 * An event as OCSF: moves `into` to it and answers it. The same event where it is OCSF already; its envelope members
 * stay. Mapped once for all connectors.
 */
export type OcsfForm = (view: EventView, into: EventView) => EventView;

/** What every type takes beside its own settings (`<PREFIX>_TLS_VERIFY` and so on), defaults filled in. */
export interface CommonSettings {
  readonly format: EventFormat;
  readonly tls: TlsSettings;
  /** Absent: what `HTTPS_PROXY` and `NO_PROXY` say. */
  readonly proxy?: URL | "none";
  /** Absent: the type's own habit. */
  readonly gzip?: boolean;
  readonly batchEvents: number;
  /** Absent: the type's own default. */
  readonly batchBytes?: number;
  /** How long an event may wait for others to fill its batch, in milliseconds. 0: it goes at once. */
  readonly batchWait: number;
  /** One attempt, in milliseconds. */
  readonly timeout: number;
  /** At the first start; then it is switched by hand. Off: nothing is sent, events wait and are kept. */
  readonly enabled: boolean;
  /** Where a connector without a place begins; a number: with what came then or later, milliseconds since the Unix epoch. */
  readonly startFrom: "newest" | "oldest" | number;
}

/** Why something failed: one closed list (console-and-cli §2.5). */
export type Reason = WeatherReason | SetupReason | DataReason;

/** Why a step of a connection test failed. */
export interface StepFault {
  readonly reason: Reason;
  /** What happened: a sentence, or an answer's status and words. */
  readonly message: string;
  /** What a person should do; "" where the message says it. */
  readonly help: string;
  /** The fault is the proxy's: nothing that is known of the vendor fits. */
  readonly ofProxy?: boolean;
}

/** One step of a connection test. */
export interface TestStep {
  readonly name: "address" | "connection" | "certificate" | "login" | "event";
  readonly ok: boolean;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  readonly detail: string;
  /** Of a step that failed. */
  readonly fault?: StepFault;
  /** Of a step that went well: what a person should see to soon. */
  readonly warning?: string;
}

/** What a connection test says of a type, beside the help that its own judgements give. */
export interface TestHints {
  /** Where to look when events were delivered and cannot be seen there. */
  readonly notSeen: string;
  /** What is known of a cause with this vendor. */
  readonly cures?: Partial<Readonly<Record<Reason, string>>>;
}

/** What all sinks get from outside: made once, by `main.ts`. */
export interface SinkEnvironment {
  /** What `host` is at last, where neither the producer nor the settings give one. */
  readonly hostname: string;
  readonly clock: Clock;
  /** Random UUIDs (channels, request ids). */
  readonly uuid: () => string;
  /** Bytes that nobody can guess (nonces). */
  readonly randomBytes: (count: number) => Uint8Array;
  /** For files whose content changes while the relay runs. @throws when it cannot be read. */
  readonly readFile: (path: string) => string;
  /** A token of the platform that we run on, for an audience (workload identity). Absent where there is none. */
  readonly platformToken?: (audience: string) => Promise<string>;
  /** Events as OCSF, shared by all connectors. */
  readonly ocsf: OcsfForm;
  /** Opens the HTTP exchange for a target: one attempt each, no retry. */
  readonly http: (target: HttpTarget) => HttpExchange;
  /** Opens a stream of messages to a target over TCP or TLS. */
  readonly stream: (target: StreamTarget) => MessageStream;
  /** Opens a sender of datagrams. */
  readonly datagrams: (target: DatagramTarget) => DatagramSender;
}

/** What one sink gets. */
export interface ConnectorContext extends Omit<SinkEnvironment, "http"> {
  /** The connector's configured name. */
  readonly name: string;
  readonly common: CommonSettings;
  /** Opens the HTTP exchange for an address, with the connector's TLS, proxy and time: one attempt each, no retry. */
  readonly http: (url: URL, options?: HttpOptions) => HttpExchange;
}

/** What a connector may say of an exchange. */
export interface HttpOptions extends Pick<HttpTarget, "maxReplyBytes"> {
  /** Not where events go (a login): pin and server name, which are one certificate's, do not count there. */
  readonly isElsewhere?: boolean;
}

/** An open connector. The dispatcher calls `deliver` one batch at a time, unless `inFlight` says more. */
export interface Sink extends AsyncDisposable {
  readonly limits: BatchLimits;
  /**
   * How many batches may be undecided at once, where the destination answers nothing and time decides. Absent: one.
   * With more, `deliver` is called again before it has settled; it must send in the order of its calls, and what
   * follows a lost one must be lost too.
   */
  readonly inFlight?: number;
  /** What can be said of a test event that was sent, where the destination answers nothing. */
  readonly unconfirmed?: string;
  /**
   * Writes the events' wire form, in order, until the buffer says that it is full. Pure: same events, same bytes.
   * An event that has no wire form is reported to the buffer (`refuse`), never dropped.
   */
  encode(events: EventRun, into: BatchBuffer): void;
  /**
   * One attempt with what `encode` wrote. No retry, no sleep. What the SIEM said to it goes into `batch.answer`, for
   * receipts (HTTP sinks do that for every type). Throws only on a bug, or when `signal` aborts.
   */
  deliver(batch: BatchBuffer, signal: AbortSignal): Promise<Outcome>;
  /** Sends one marked test event: the dispatcher asks it when all of a batch is refused. */
  probe(signal: AbortSignal): Promise<Outcome>;
  /** Address, connection, certificate, login with the vendor's harmless request, step by step. No event is sent. */
  test(signal: AbortSignal): AsyncIterable<TestStep>;
}

/** A SIEM type: what `connectors/<type>.ts` exports. */
export interface ConnectorType<S = unknown> {
  /** File name, export name and `type:` in the configuration. */
  readonly type: string;
  readonly title: string;
  /** Prefix of its environment names: `SPLUNK_HEC`. */
  readonly prefix: string;
  readonly limits: TypeLimits;
  /** What leaves unless `_FORMAT` says otherwise; `ocsf` where the vendor's fields have fixed names. */
  readonly format: EventFormat;
  /**
   * Its own settings, beside `CommonSettings`: a `z.object` of fields made with `lib/config/fields.ts`. Keys are the
   * YAML keys; environment names, checks, documentation and form follow from it.
   */
  readonly settings: ZodType<S>;
  /** What a connection test says beside the answers' own help. */
  readonly hints?: TestHints;
  /** Offline and cheap. @throws {TypeError} only for what the settings' schema could not see; a {SettingFault} names the setting. */
  open(settings: S, context: ConnectorContext): Sink;
}
