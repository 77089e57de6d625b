/** How clients of HEC use acks, as their sources do it (hec-protocol §6, §8): Vector's sink and Kafka Connect's. */

const encoder = new TextEncoder();

/** One request in flight: its events' texts. */
export interface Outstanding {
  readonly events: readonly string[];
  polls: number;
}

export interface AckClientOptions {
  /** Asked each time: the relay may come back elsewhere. */
  readonly url: () => string;
  readonly token: string;
}

/**
 * Vector's `splunk_hec_logs`: one UUID channel on every request, objects glued, gzip for data and polls alike. A 4xx or
 * what cannot be read from the ack address makes it give up acking; 30 polls without `true` reject the events.
 */
export class VectorSink {
  readonly #options: AckClientOptions;
  readonly channel = crypto.randomUUID();
  readonly pending = new Map<number, Outstanding>();
  readonly delivered: (readonly string[])[] = [];
  readonly rejected: (readonly string[])[] = [];
  hasGivenUp = false;

  constructor(options: AckClientOptions) {
    this.#options = options;
  }

  /** Its health check at the start. */
  async isHealthy(): Promise<boolean> {
    const { url, token } = this.#options;
    const reply = await fetch(`${url()}/services/collector/health/1.0`, {
      headers: { Authorization: `Splunk ${token}` },
    });
    await reply.body?.cancel();
    return reply.status === 200;
  }

  /** Sends one batch. @throws what the network throws: Vector sends it again. */
  async send(events: readonly string[]): Promise<void> {
    const body = events.map((event) => `{"event":${event}}`).join("");
    const reply = await this.#post("/services/collector/event", body);
    const { ackId } = await reply.json();
    if (reply.status !== 200) throw new Error(`${reply.status}`);
    if (typeof ackId !== "number") this.delivered.push(events);
    else this.pending.set(ackId, { events, polls: 0 });
  }

  /** What it does every 10 s: asks for all that is pending. */
  async tick(): Promise<void> {
    if (this.pending.size === 0 || this.hasGivenUp) return;
    const acks = [...this.pending.keys()];
    const reply = await this.#post(
      "/services/collector/ack",
      JSON.stringify({ acks }),
    );
    const text = await reply.text();
    if (reply.status >= 500) return;
    let told: Record<string, boolean>;
    try {
      if (reply.status !== 200) throw new Error(text);
      told = JSON.parse(text).acks;
    } catch {
      this.hasGivenUp = true;
      return;
    }
    for (const [id, one] of this.pending) {
      if (told[String(id)] === true) {
        this.pending.delete(id);
        this.delivered.push(one.events);
      } else if (++one.polls >= 30) {
        this.pending.delete(id);
        this.rejected.push(one.events);
      }
    }
  }

  async #post(path: string, body: string): Promise<Response> {
    const { url, token } = this.#options;
    const zipped = new Blob([encoder.encode(body)]).stream()
      .pipeThrough(new CompressionStream("gzip"));
    return await fetch(`${url()}${path}`, {
      method: "POST",
      headers: {
        "Authorization": `Splunk ${token}`,
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "X-Splunk-Request-Channel": this.channel,
      },
      body: await new Response(zipped).arrayBuffer(),
    });
  }
}

/**
 * Kafka Connect's sink: a real event as its check, a channel per indexer. Any `Set-Cookie` is a lost session: it drops
 * the channel and sends everything again. An ack id that came before on the channel stops its tracking.
 */
export class KafkaSink {
  readonly #options: AckClientOptions;
  readonly #seen = new Set<number>();
  readonly channel = crypto.randomUUID().toUpperCase();
  readonly outstanding = new Map<number, Outstanding>();
  readonly committed: (readonly string[])[] = [];
  readonly faults: string[] = [];

  constructor(options: AckClientOptions) {
    this.#options = options;
  }

  async check(): Promise<boolean> {
    const reply = await this.#post(
      "/services/collector/event",
      '{"event":"Splunk HEC Configuration Check","index":""}',
    );
    const { ackId } = await reply.json();
    this.#track(ackId, ["Splunk HEC Configuration Check"]);
    return reply.status === 200;
  }

  async send(events: readonly string[]): Promise<void> {
    const reply = await this.#post(
      "/services/collector/raw",
      events.join("\n"),
    );
    const { ackId, text } = await reply.json();
    if (reply.status !== 200) throw new Error(`${reply.status} ${text}`);
    this.#track(ackId, events);
  }

  async poll(): Promise<void> {
    const reply = await this.#post(
      "/services/collector/ack",
      JSON.stringify({ acks: [...this.outstanding.keys()] }),
    );
    const { acks } = await reply.json();
    for (const [id, isTrue] of Object.entries(acks)) {
      const one = this.outstanding.get(Number(id));
      if (isTrue !== true || one === undefined) continue;
      this.outstanding.delete(Number(id));
      this.committed.push(one.events);
    }
  }

  #track(ackId: unknown, events: readonly string[]): void {
    if (typeof ackId !== "number") this.faults.push("no ackId");
    else if (this.#seen.has(ackId)) this.faults.push(`ackId ${ackId} again`);
    else {
      this.#seen.add(ackId);
      this.outstanding.set(ackId, { events, polls: 0 });
    }
  }

  async #post(path: string, body: string): Promise<Response> {
    const { url, token } = this.#options;
    const reply = await fetch(`${url()}${path}`, {
      method: "POST",
      headers: {
        "Authorization": `Splunk ${token}`,
        "X-Splunk-Request-Channel": this.channel,
      },
      body,
    });
    if (reply.headers.has("set-cookie")) this.faults.push("session lost");
    return reply;
  }
}
